"""One formula: every way to segment a picture gives the same labels, pixel for pixel.

Training's validation, ``predict``, ``python -m segmentation``, the Python API and the web page, on one picture whose
size needs padding, and once more with small tiles; in one pass and in accurate mode.
"""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image
from pytorch_lightning import Trainer

from data_modules import SegmentationDataModule, SyntheticNuclei
from data_modules.datasets import CropDataset
from data_modules.pictures import LabelledPicture
from lightning_modules.predictions import WritePredictions
from lightning_modules.segmentation_module import SegmentationModule
from segmentation import Segmenter
from segmentation.__main__ import main as command_line
from segmentation.examples import make_example
from segmentation.image_io import MicroscopyImage
from ui.files_panel import write_files
from ui.segmenting import segment_files
from ui.session import Session

SHIPPED = Path(__file__).resolve().parents[1] / "checkpoints" / "nuclei"


@pytest.fixture(scope="module", params=["whole", "tiled"])
def picture(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    drawn = make_example("tissue", 5, height=121, width=203, nuclei=20)
    path = tmp_path_factory.mktemp(request.param) / "parity.png"
    Image.fromarray(drawn.pixels).save(path)
    return path


@pytest.fixture(autouse=True)
def tiles(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if picture.parent.name.startswith("tiled"):
        monkeypatch.setattr("segmentation.segmenter.TILE", 96)
        monkeypatch.setattr("segmentation.segmenter.OVERLAP", 32)


@pytest.fixture(params=[False, True], ids=["plain", "accurate"])
def accurate(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
def expected(picture: Path, accurate: bool) -> NDArray:
    labels = Segmenter.from_pretrained(SHIPPED, "cpu")(picture, accurate=accurate).labels
    assert labels.max() > 5  # an empty picture would agree with anything
    return labels


def test_accurate_is_another_answer(picture: Path) -> None:
    """Or the tests below would pass with a switch that is lost on the way."""
    segmenter = Segmenter.from_pretrained(SHIPPED, "cpu")
    assert (segmenter(picture).maps != segmenter(picture, accurate=True).maps).any()


def test_api_sources_agree(picture: Path, expected: NDArray, accurate: bool) -> None:
    segmenter = Segmenter.from_pretrained(SHIPPED, "cpu")
    sources = [str(picture), picture.read_bytes(), np.asarray(Image.open(picture)), Image.open(picture)]
    for source in sources[: 1 if accurate else None]:
        np.testing.assert_array_equal(segmenter(source, accurate=accurate).labels, expected)
    (page,) = segmenter.segment_pages(picture, accurate=accurate)
    np.testing.assert_array_equal(page.labels, expected)


def test_command_line(picture: Path, expected: NDArray, accurate: bool, tmp_path: Path) -> None:
    arguments = [str(picture), "--out", str(tmp_path), "--device", "cpu", "--model", str(SHIPPED)]
    assert command_line(arguments + ["--accurate"] * accurate) == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "parity_labels.tif"), expected)


def test_web_page(picture: Path, expected: NDArray, accurate: bool) -> None:
    segmenter = Segmenter.from_pretrained(SHIPPED, "cpu")
    session = Session(accurate=accurate)
    files = [(picture.name, picture)]
    list(segment_files(session, segmenter, files, lambda done, text: None))
    written = write_files(session, session.found, segmenter.bundle, "nuclei", ["labels"])[1]
    np.testing.assert_array_equal(tifffile.imread(written), expected)


def test_validation_judges_what_users_get(
    picture: Path, expected: NDArray, accurate: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = SegmentationModule(bundle=str(SHIPPED), accurate=accurate)
    monkeypatch.setattr(module, "log", lambda *_, **__: None)
    labelled = LabelledPicture(np.asarray(Image.open(picture)), expected.astype(np.int32), "parity", "tissue")
    result = module.eval().validation_step(labelled, 0)["segmentation"]
    np.testing.assert_array_equal(result.labels, expected)
    assert module.scoreboard.pop()["kaggle"].item() == 1.0


def test_half_precision_training_is_judged_in_full(picture: Path) -> None:
    segmenter = Segmenter.from_pretrained(SHIPPED, "cpu")
    maps = segmenter(picture).maps
    with torch.autocast("cpu", torch.bfloat16):  # what Lightning wraps around validation under bf16-mixed
        np.testing.assert_array_equal(segmenter(picture).maps, maps)


def test_predict(picture: Path, expected: NDArray, accurate: bool, tmp_path: Path) -> None:
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        callbacks=[WritePredictions(str(tmp_path))],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data = SegmentationDataModule(SyntheticNuclei(), predict_path=str(picture))
    module = SegmentationModule(bundle=str(SHIPPED), accurate=accurate)
    trainer.predict(module, data, return_predictions=False)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "parity_labels.tif"), expected)


def test_training_prepares_pixels_as_use_does() -> None:
    """Crops are the same Preprocessing's pixels, but for the 8 bits that augmentation needs."""
    data = SegmentationDataModule(SyntheticNuclei(pictures=12, size=64), crop=64, augmentation=None)
    data.setup("fit")
    dataset = data.train_dataloader().dataset
    assert isinstance(dataset, CropDataset)
    source = data.source.load(data._known_split().train[0])
    image, _, _ = dataset[0, 0, 0]
    prepared = Segmenter.from_pretrained(SHIPPED, "cpu").bundle.preprocessing(
        MicroscopyImage(source.pixels, "source").pixels
    )
    np.testing.assert_allclose(image.numpy().transpose(1, 2, 0), prepared, atol=0.5 / 255 + 1e-6)
