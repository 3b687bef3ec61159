"""The comparison with other tools: its arithmetic, its processes, and what it says of tools that fail."""

import json
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from benchmarks.otsu import Settings, nuclei_bright, segment, segment_with_scikit_image
from benchmarks.peers import take_turns
from benchmarks.peers_environments import (
    OWN,
    PEERS,
    YARDSTICK,
)
from benchmarks.peers_pictures import labelled
from benchmarks.peers_process import PeerError
from benchmarks.peers_report import Row, draw, times, tools
from benchmarks.peers_stardist import turned
from benchmarks.peers_training import trained
from segmentation.examples import make_example
from segmentation.scores import match


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


# What is printed


def test_times_are_medians_and_multiples_of_ours_and_of_the_product() -> None:
    rows = {
        (YARDSTICK, 1000): Row([0.5], peak=1),
        (OWN, 1000): Row([2.0, 1.0, 9.0], [0.5, 1.5, 0.75], peak=300 * 2**20),
        ("stardist", 1000): Row([6.0, 8.0, 7.0], peak=None),
        ("instanseg", 1000): Row([4.0], [4.0], whole=False),
        ("cellpose", 1000): Row(reason="no answer within 9 s"),
    }
    lines = times(rows, [1000], [YARDSTICK, OWN, "stardist", "instanseg", "cellpose"]).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert cells(lines[3])[2:] == ["2", "1 to 9", "0.75", "0.5", "1.00", "4.00", "300"]
    assert cells(lines[4])[2:] == ["7", "6 to 8", "", "0.143", "3.50", "14.00", ""]
    assert cells(lines[5])[2:] == ["", "once", "4", "", "", "8.00", ""]  # its network is no time to labels
    assert cells(lines[6])[2] == "no answer within 9 s"


def test_times_of_a_run_without_ours_have_no_multiples() -> None:
    line = times({(OWN, 64): Row(reason="x"), ("otsu", 64): Row([1.0])}, [64], [OWN, "otsu"]).splitlines()[-1]
    assert cells(line)[6:8] == ["", ""]


def test_tools_say_why_they_could_not_be_judged_or_installed() -> None:
    known = {"version": "9", "parameters": 0, "weights_bytes": 0, "start": 1.25}
    told = {
        "stardist": {"reason": "no | room"},
        "otsu": {**known, "ap50": 0.5, "ap75": 0.25, "trained": "nothing"},
        OWN: {},
    }
    text = tools(told, [YARDSTICK, OWN, "otsu", "stardist"])
    assert "| not measured |" in text
    assert "no / room" in text  # a bar would break the table
    assert [PEERS["otsu"].title, "9", "", "", "", "1.2", "0.500", "0.250", "nothing"] in map(cells, text.splitlines())
    assert PEERS["stardist"].note in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1


def test_plot_appears_with_missing_rows_and_unknown_memory(tmp_path: Path) -> None:
    rows = {(OWN, 64): Row([1.0], peak=2**20), (OWN, 128): Row([4.0], peak=2**21), ("otsu", 64): Row([1.0])}
    rows["stardist", 64] = Row(reason="failed")
    draw(rows, [64, 128], [OWN, "otsu", "stardist", "cellpose"], tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.width > 800
    assert len(list(tmp_path.iterdir())) == 1


# Turns


class Scripted:
    """A worker whose answers take the given seconds; a text in their place is a failure."""

    def __init__(self, name: str, asked: list[str], *script: float | str) -> None:
        self.name, self.asked, self.script = name, asked, list(script)

    def ask(self, question: dict, timeout: float) -> dict:
        self.asked.append(self.name)
        seconds = self.script.pop(0)
        if isinstance(seconds, str):
            raise PeerError(seconds)
        return {"seconds": seconds, "network": None, "nuclei": 1, "peak": len(self.asked)}


def test_turns_go_round_drop_the_warm_up_and_leave_out_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.peers.REST", 0)
    asked: list[str] = []
    workers = {
        "product": Scripted("p", asked, 9.0, 1.0, 2.0),
        "otsu": Scripted("o", asked, 9.0, "broke"),
        "cellpose": Scripted("c", asked, 99.0),  # so long that its first round counts
    }
    rows: dict = {}
    take_turns(workers, Path("x"), 64, 2, 5, rows)  # type: ignore[arg-type]
    assert asked == ["p", "o", "c", "o", "p", "p"]
    assert rows["product", 64].seconds == [1.0, 2.0]
    assert rows["otsu", 64].reason == "broke"
    assert rows["cellpose", 64].seconds == [99.0]


# Pictures and weights


def test_drawn_parts_repeat_and_never_share_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRAIN", "VALIDATION", "JUDGED"):
        monkeypatch.setattr(f"benchmarks.peers_pictures.{name}", 2)
    options = Namespace(data=None, fold_table=None)
    paths = [path for part in ("train", "validation", "test") for path in labelled(part, tmp_path, options)]
    pixels = [np.load(path)["pixels"] for path in paths]
    assert {each.shape for each in pixels} == {(256, 256)}
    assert len({each.tobytes() for each in pixels}) == 6
    again = labelled("test", tmp_path, options)[0]
    np.testing.assert_array_equal(np.load(again)["pixels"], pixels[4])


def test_weights_are_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.peers_training.labelled", lambda *arguments: [])
    told = {"pictures": 7, "steps": 1200, "batch_size": 4, "patch": 128, "seconds": 1}
    calls = []

    def run(command: list[str], **settings: object) -> SimpleNamespace:
        calls.append(command)
        if len(calls) == 1:
            return SimpleNamespace(returncode=1, stdout="MemoryError: none left")
        (Path(command[-2]) / "trained.json").write_text(json.dumps(told))
        return SimpleNamespace(returncode=0, stdout="")

    monkeypatch.setattr("benchmarks.peers_training.subprocess.run", run)
    options = Namespace(data=None, fold_table=None, train_minutes=1, threads=1)
    weights = tmp_path / "weights"
    with pytest.raises(PeerError, match="MemoryError: none left"):
        trained(weights, Path("python"), tmp_path, options)
    assert not weights.exists()
    for _ in range(2):
        assert "7 drawn pictures" in trained(weights, Path("python"), tmp_path, options)
    assert len(calls) == 2


def test_training_turns_pixels_and_labels_alike() -> None:
    labels = np.arange(12).reshape(3, 4)
    np.random.seed(0)  # noqa: NPY002  # as StarDist's own training has it
    shapes = set()
    for _ in range(20):
        pixels, turned_labels = turned(labels.astype(np.float32), labels)
        shapes.add(pixels.shape)
        assert np.corrcoef(pixels.ravel(), turned_labels.ravel())[0, 1] == pytest.approx(1)
    assert shapes == {(3, 4), (4, 3)}


@pytest.mark.parametrize("way", [segment, segment_with_scikit_image])
def test_classical_ways_are_done_well(way: object) -> None:
    drawn = make_example("fluorescence", 3, nuclei=30)
    found = way(nuclei_bright(drawn.pixels, "fluorescence"), Settings())  # type: ignore[operator]
    assert match(found, drawn.labels, (0.5,)).average_precision()[0] > 0.85
    assert way(np.zeros((32, 32), np.float32), Settings()).max() == 0  # type: ignore[operator]
