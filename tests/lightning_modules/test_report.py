"""The report of the real ``test`` command, on a folder of drawn pictures with awkward names."""

import csv
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from PIL import Image

from data_modules.pictures import KINDS
from lightning_modules import report
from lightning_modules.metrics import Scoreboard
from lightning_modules.report_plots import comparison, plot_ap
from lightning_modules.report_tables import interval_of_mean, judge_picture, summarise
from lightning_modules.train import command_line, main
from segmentation import Segmenter
from segmentation.error_analysis import errors_by_cause
from segmentation.errors import ParameterError
from segmentation.examples import make_example
from segmentation.image_io import MicroscopyImage, read_image
from segmentation.scores import THRESHOLDS, kaggle_score

NAMES = ("a&b", "<i>c", "d'e", "f g", "ü#h", "=i", "j%20k", "l")
ROOT = Path(__file__).resolve().parents[2]
TABLES = ("scores.csv", "pictures.csv", "errors.csv", "sizes.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen pictures, fluorescence and tissue in turn."""
    root = tmp_path_factory.mktemp("data")
    for name in ("images", "masks"):
        (root / name).mkdir()
    for seed in range(16):
        drawn = make_example(("fluorescence", "tissue")[seed % 2], seed, height=64, width=72, nuclei=6)
        name = f"{NAMES[seed // 2]}{seed}.png"
        Image.fromarray(drawn.pixels.squeeze()).save(root / "images" / name)
        Image.fromarray(drawn.labels.astype(np.uint16)).save(root / "masks" / name)
    return root


def arguments(folder: Path, bundle: Path, root: Path, **more: str) -> list[str]:
    settings = {
        "--config": str(ROOT / "configs" / "slide.yaml"),  # it names no decode parameters: the bundle's hold
        "--data.source": "data_modules.ImageFolder",
        "--data.source.init_args.root": str(folder),
        "--data.folds": "2",
        "--data.workers": "0",
        "--model.bundle": str(bundle),
        "--report.worst": "3",
        "--trainer.default_root_dir": str(root),
        "--trainer.accelerator": "cpu",
        "--trainer.enable_progress_bar": "false",
        **more,
    }
    return ["test", *(part for item in settings.items() for part in item)]


@pytest.fixture(scope="module")
def run(folder: Path, bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """The report's folder, and what was logged."""
    root = tmp_path_factory.mktemp("run")
    trainer = main(arguments(folder, bundle_folder, root)).trainer
    return root / "report", {name: float(value) for name, value in trainer.callback_metrics.items()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_scores_are_those_logged(run: tuple[Path, dict[str, float]]) -> None:
    written, logged = run
    table = {row["kind"]: row for row in rows(written / "scores.csv")}
    assert list(table) == ["all", "fluorescence", "tissue"]
    for name in ("kaggle", "iou", "dice", *(f"ap{round(100 * t)}" for t in THRESHOLDS)):
        assert float(table["all"][name]) == pytest.approx(logged[f"test/{name}"], abs=2e-6)
    for kind in ("fluorescence", "tissue"):
        for name in ("kaggle", "ap50"):
            assert float(table[kind][name]) == pytest.approx(logged[f"test/{name}_{kind}"], abs=2e-6)
    assert 0 < logged["test/kaggle"] < 1
    for row in table.values():
        if int(row["pictures"]) > 1:
            assert float(row["kaggle_low"]) <= float(row["kaggle"]) <= float(row["kaggle_high"])
        else:
            assert row["kaggle_low"] == row["kaggle_high"] == ""
    low, high = table["all"]["kaggle_low"], table["all"]["kaggle_high"]
    assert f"<small>{float(low):.3f} to {float(high):.3f}</small>" in (written / "report.html").read_text()


def test_interval_of_a_mean() -> None:
    values = np.random.default_rng(3).normal(0.6, 0.2, 400)
    low, high = interval_of_mean(values.tolist())
    half = 1.96 * values.std(ddof=1) / 20  # the normal approximation, good for 400 values
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.003)
    assert interval_of_mean([0.5, 0.5]) == (0.5, 0.5)
    assert np.isnan(interval_of_mean([0.5])).all()


def test_pictures_are_judged_as_users_get_them(
    run: tuple[Path, dict[str, float]], folder: Path, bundle_folder: Path
) -> None:
    segmenter = Segmenter.from_pretrained(bundle_folder, "cpu")
    pictures, total = rows(run[0] / "pictures.csv"), rows(run[0] / "scores.csv")[0]
    for row in pictures:
        labels = segmenter(read_image(folder / "images" / f"{row['name']}.png")).labels
        truth = np.array(Image.open(folder / "masks" / f"{row['name']}.png"))
        assert (int(row["predicted"]), int(row["nuclei"])) == (labels.max(), len(np.unique(truth)) - 1)
        assert float(row["kaggle"]) == pytest.approx(kaggle_score(labels, truth), abs=1e-6)
    for column in ("nuclei", "predicted"):
        assert sum(int(row[column]) for row in pictures) == int(total[column])
    assert len(pictures) == int(total["pictures"])


def test_causes_and_sizes_add_up(run: tuple[Path, dict[str, float]]) -> None:
    errors, sizes = rows(run[0] / "errors.csv"), rows(run[0] / "sizes.csv")
    for row in errors:
        assert int(row["nuclei"]) == sum(int(row[c]) for c in ("found", "outline", "merged", "split", "missed"))
        of_kind = [size for size in sizes if size["kind"] == row["kind"]]
        assert len(of_kind) == 6
        assert sum(int(size["nuclei"]) for size in of_kind) == int(row["nuclei"])
        assert sum(int(size["found_iou50"]) for size in of_kind) == int(row["found"])
    for column in ("found", "missed", "spurious"):
        assert int(errors[0][column]) == sum(int(row[column]) for row in errors[1:])


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_page_needs_only_the_files_beside_it(run: tuple[Path, dict[str, float]]) -> None:
    text = (run[0] / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not re.search(r"https?:|//|@import|url\(|\$[a-z{]", text)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    files = {unquote(link) for link in page.links}
    assert {*TABLES, "ap_curve.png", "ap_curve_dark.png"} < files
    assert all((run[0] / file).is_file() and not Path(file).is_absolute() for file in files)
    assert {f"worst/{path.name}" for path in (run[0] / "worst").iterdir()} == files - {
        *TABLES,
        "ap_curve.png",
        "ap_curve_dark.png",
    }


def test_page_shows_the_worst_pictures_by_their_names(run: tuple[Path, dict[str, float]]) -> None:
    page = Page((run[0] / "report.html").read_text(encoding="utf-8"))
    worst = sorted(rows(run[0] / "pictures.csv"), key=lambda row: (float(row["kaggle"]), row["name"]))[:3]
    assert [text for text in page.text if text in {row["name"] for row in worst}] == [row["name"] for row in worst]
    assert [path.name[:3] for path in sorted((run[0] / "worst").iterdir())] == ["01_", "02_", "03_"]


def test_names_are_escaped(folder: Path, bundle_folder: Path, tmp_path: Path) -> None:
    """All held-out pictures are shown; among both folds is every name."""
    shown = ""
    for fold in ("0", "1"):
        more = {"--report.folder": str(tmp_path / fold), "--report.worst": "99", "--data.fold": fold}
        main(arguments(folder, bundle_folder, tmp_path, **more))
        text = (tmp_path / fold / "report.html").read_text(encoding="utf-8")
        page = Page(text)
        assert "<i>c" not in text
        assert all(re.fullmatch(r"[\w./%~()-]+", link, re.ASCII) for link in page.links)
        assert all((tmp_path / fold / unquote(link)).is_file() for link in page.links)
        shown += "\n".join(page.text)
    assert all(f"{name}{2 * index + odd}" in shown for index, name in enumerate(NAMES) for odd in (0, 1))


def test_a_second_report_leaves_nothing_of_the_first(folder: Path, bundle_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "report" / "worst").mkdir(parents=True)
    (tmp_path / "report" / "worst" / "01_mine.png").touch()
    for worst in ("2", "0"):
        main(arguments(folder, bundle_folder, tmp_path, **{"--report.worst": worst}))
        left = len(list((tmp_path / "report" / "worst").iterdir()))
        assert left == int(worst) + 1
    assert (tmp_path / "report" / "worst" / "01_mine.png").exists()
    assert "lowest scores" not in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


def test_a_dry_run_writes_nothing(folder: Path, bundle_folder: Path, tmp_path: Path) -> None:
    main(arguments(folder, bundle_folder, tmp_path, **{"--trainer.fast_dev_run": "true"}))
    assert not (tmp_path / "report").exists()


def test_wrong_settings_are_one_sentence(
    folder: Path, bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for setting, value, says in (
        ("--report.worst", "-1", "worst=-1: a number of pictures"),
        ("--report.folder", str(tmp_path / "file"), "name another with --report.folder"),
    ):
        assert command_line(arguments(folder, bundle_folder, tmp_path, **{setting: value})) == 1
        assert says in capsys.readouterr().err.strip().splitlines()[-1]


def judged(seed: int) -> tuple[np.ndarray, np.ndarray]:
    target = make_example("fluorescence", seed, height=64, width=64, nuclei=6).labels
    return np.roll(target, seed, 1), target


def test_summaries_equal_the_scoreboard() -> None:
    board, pictures = Scoreboard(across_processes=False), []
    for seed in range(5):
        preds, target = judged(seed)
        board.add(preds, target, KINDS[seed % 2])
        pictures.append(judge_picture(preds, target, str(seed), KINDS[seed % 2]))
    scores, (total, *kinds) = board.pop(), summarise(pictures)
    assert [total.kaggle, total.iou, total.dice, total.ap[0]] == pytest.approx(
        [scores[name].item() for name in ("kaggle", "iou", "dice", "ap50")]
    )
    assert [(k.kind, k.kaggle) for k in kinds] == [(k, pytest.approx(scores[f"kaggle_{k}"].item())) for k in KINDS[:2]]
    assert total.errors == sum((errors_by_cause(*judged(seed)) for seed in range(1, 5)), errors_by_cause(*judged(0)))


def test_an_empty_picture_is_perfect() -> None:
    empty = np.zeros((8, 8), np.uint16)
    total = summarise([judge_picture(empty, empty, "dark", "fluorescence")])[0]
    assert (total.kaggle, total.iou, total.dice, total.nuclei) == (1, 1, 1, 0)


@pytest.mark.parametrize("kinds", [("tissue",), ("fluorescence",), ("fluorescence", "tissue")])
@pytest.mark.parametrize("published", [True, False])
def test_plots_of_any_kinds(tmp_path: Path, kinds: tuple[Any, ...], published: bool) -> None:
    plot_ap(tmp_path, summarise([judge_picture(*judged(1), kind, kind) for kind in kinds]), published=published)
    light, dark = (np.array(Image.open(tmp_path / name)) for name in ("ap_curve.png", "ap_curve_dark.png"))
    assert light.shape == dark.shape
    assert light[0, 0, :3].min() > 200 > 100 > dark[0, 0, :3].max()


@pytest.mark.parametrize(("shape", "panel"), [((40, 64), (400, 640)), ((1400, 180), (700, 90)), ((1, 3), (213, 639))])
def test_panels_come_near_to_one_size(tmp_path: Path, shape: tuple[int, int], panel: tuple[int, int]) -> None:
    labels = np.zeros(shape, np.uint16)
    labels[: shape[0] // 2, : shape[1] // 2] = 1
    image = MicroscopyImage(np.arange(np.prod(shape), dtype=np.float32).reshape(*shape, 1), "wide")
    (tmp_path / "x.png").write_bytes(comparison(image, np.zeros_like(labels), labels))
    strip = np.array(Image.open(tmp_path / "x.png"))
    height, width = panel
    assert strip.shape == (height, 3 * width + 24, 4)
    picture, truth, answer = (strip[:, start : start + width] for start in (0, width + 12, 2 * (width + 12)))
    np.testing.assert_array_equal(picture, answer)  # nothing was predicted, so nothing is drawn
    assert (picture != truth).any() == bool(labels.any())


def test_processes_pool_what_they_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    def gather(parts: list[list], mine: list) -> None:
        parts[:] = [["theirs"], mine]

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    assert report._of_all_processes(["mine"]) == ["theirs", "mine"]


def test_a_negative_number_of_pictures_is_refused() -> None:
    with pytest.raises(ParameterError, match="worst=-1"):
        report.WriteReport(worst=-1)
