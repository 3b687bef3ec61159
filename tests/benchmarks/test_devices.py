"""The talk's chart for one's own machine: its arithmetic, and that every work runs on what is here."""

import argparse
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from benchmarks import devices
from benchmarks.devices import find_devices, measure, prepare_work
from benchmarks.devices_report import WORKS, Device, Row, dollars, draw, parse_price, table
from segmentation.instance_maps import FOREGROUND
from segmentation.unet import UNet

CPU, GPU = Device("CPU, 2 threads", "cpu", "cpu", 2), Device("Some GPU", "cuda", "cuda:0")


@pytest.fixture(autouse=True)
def _threads() -> object:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def tiny() -> UNet:
    return UNet(channels=(2, 2), dropout=(0.1, 0.1))


def test_cost_of_images() -> None:
    assert dollars(rate=1000 / 3600, price=2.5) == pytest.approx(2.5)  # a thousand images take an hour
    assert dollars(rate=10, price=0.0) == 0


@pytest.mark.parametrize("text", ["gpu=1", "cuda", "cuda=", "cuda=much", "cpu=-1", "cpu=nan", "cpu=inf"])
def test_prices_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"cuda=2\.5"):
        parse_price(text)


def test_table_compares_with_the_best_of_pytorch_on_the_processor() -> None:
    one, openvino = Device("CPU, 1 thread", "cpu", "cpu", 1), Device("OpenVINO", "cpu", "cpu", 2, openvino=True)
    rows = [
        Row("net", "inference", one, [5.0]),
        Row("net", "inference", CPU, [8.0, 10.0, 20.0]),
        Row("net", "inference", openvino, [40.0]),
        Row("net", "inference", GPU, [1000.0]),
        Row("net", "training step", GPU, reason="CUDA out | of memory"),
    ]
    lines = table(rows, {"cuda": 3.6}).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[3][3:] == ["10", "8 to 20", "1.00", "100", ""]
    assert cells[4][5] == "4.00"
    assert cells[5][3:] == ["1e+03", "1e+03 to 1e+03", "100.00", "1", "0.001"]
    assert "CUDA out / of memory" in lines[6]
    assert len({line.count("|") for line in lines}) == 1
    assert "dollars" not in table(rows, {})


def test_processor_is_found_with_one_and_with_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_openvino", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Some GPU")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert find_devices(1) == [Device("CPU, 1 thread", "cpu", "cpu", 1), GPU]
    assert find_devices(2) == [Device("CPU, 1 thread", "cpu", "cpu", 1), CPU, GPU]


def test_training_step_learns_and_inference_gives_maps() -> None:
    torch.manual_seed(0)
    network = tiny()
    before = [parameter.clone() for parameter in network.parameters()]
    prepare_work(network, FOREGROUND, "training step", CPU, 2, 16)()
    assert all(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))
    found = prepare_work(network, FOREGROUND, "inference", CPU, 2, 16)()
    assert tuple(found.shape) == (2, 1, 16, 16)  # type: ignore[attr-defined]
    assert not network.training


def test_a_device_that_fails_is_a_row_that_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "LEAST", 0.001)
    absent = Device("No GPU", "cuda", "cuda:99")
    openvino = Device("OpenVINO", "cpu", "cpu", 1, openvino=True)
    rows = measure("tiny", tiny, FOREGROUND, "training step", [CPU, absent, openvino], 1, 16, 2)
    assert [row.device for row in rows] == [CPU, absent]  # OpenVINO does not train
    assert len(rows[0].rates) == 2
    assert rows[1].reason
    assert not rows[1].rates


def test_chart_appears(tmp_path: Path) -> None:
    rows = [Row("net", "inference", CPU, [1.0]), Row("net", "inference", GPU, [99.0]), Row("net", WORKS[0], GPU)]
    draw(rows, tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as picture:
        assert picture.width > 800
    assert len(list(tmp_path.iterdir())) == 1


def test_the_command_prints_the_table_and_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices, "LEAST", 0.001)
    monkeypatch.setattr(devices, "find_devices", lambda threads: [Device("CPU, 1 thread", "cpu", "cpu", 1)])
    words = ["--batch", "1", "--side", "64", "--repeats", "1", "--price", "cpu=0.1", "--plot", str(tmp_path / "c.png")]
    monkeypatch.setattr(sys, "argv", ["devices", *words])
    devices.main()
    printed = capsys.readouterr().out
    assert printed.count("| CPU, 1 thread |") == 4  # two networks, two works
    assert "dollars for 1,000 images" in printed
    assert "No GPU was found" in printed
    assert (tmp_path / "c.png").exists()
