"""README's commands for pictures of one's own, as they are typed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_modules.train import main
from segmentation import Bundle, Segmenter
from segmentation.errors import DataError
from segmentation.examples import make_example

QUICK = [
    *("--trainer.max_epochs", "1", "--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"),
    *("--data.crop", "32", "--data.batch_size", "4", "--data.workers", "0", "--data.crops_per_epoch", "12"),
]


@pytest.fixture
def mydata(tmp_path: Path) -> Path:
    """Twelve pictures with label images."""
    folder = tmp_path / "mydata"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for seed in range(12):
        drawn = make_example("fluorescence", seed, height=80, width=96, nuclei=6)
        Image.fromarray(drawn.pixels[..., 0]).save(folder / "images" / f"slide{seed % 6}_{seed}.png")
        Image.fromarray(drawn.labels.astype(np.uint16)).save(folder / "masks" / f"slide{seed % 6}_{seed}.png")
    return folder


def fit(project_root: Path, folder: Path, runs: Path, *more: str) -> Path:
    config = ["fit", "--config", str(project_root / "configs" / "nuclei.yaml")]
    source = ["--data.source", "data_modules.ImageFolder", "--data.source.init_args.root", str(folder)]
    main([*config, *source, "--trainer.default_root_dir", str(runs), *QUICK, *more])
    return runs / "bundle"


def test_train_on_from_the_shipped_weights(project_root: Path, mydata: Path, tmp_path: Path) -> None:
    shipped = project_root / "checkpoints" / "nuclei"
    pattern = ["--data.source.init_args.group_pattern", r"(slide\d+)_"]
    bundle = Bundle.load(fit(project_root, mydata, tmp_path / "run", "--model.bundle", str(shipped), *pattern))
    assert bundle.training["data"] == "ImageFolder"
    assert bundle.scores["validation iou"] > 0.6  # one epoch from the shipped weights; from none it would be near 0
    before, after = (each.network.state_dict()["head.1.weight"] for each in (Bundle.load(shipped), bundle))
    assert 0 < (before - after).abs().max() < 0.05


@pytest.mark.parametrize("start", ["none", "shipped"])
def test_one_object_instead_of_many(project_root: Path, mydata: Path, tmp_path: Path, start: str) -> None:
    more = ["--data.source.init_args.one_object", "true", "--model.decode.mode", "mask"]
    if start == "shipped":
        more += ["--model.bundle", str(project_root / "checkpoints" / "nuclei")]
    folder = fit(project_root, mydata, tmp_path / "run", *more)
    segmenter = Segmenter.from_pretrained(folder, "cpu")
    assert segmenter.bundle.decode.mode == "mask"
    result = segmenter(np.full((40, 40), 7, np.uint8))
    assert result.count in (0, 1)


def test_what_does_not_fit_is_listed_before_training(project_root: Path, mydata: Path, tmp_path: Path) -> None:
    (mydata / "masks" / "slide0_0.png").unlink()
    (mydata / "masks" / "slide1_1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"2 problems") as error:
        fit(project_root, mydata, tmp_path / "run")
    assert "images/slide0_0.png has no mask" in str(error.value)
    assert "slide1_1.png: the file is empty" in str(error.value)
