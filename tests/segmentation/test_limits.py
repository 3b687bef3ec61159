"""Limits: their defaults, what the environment makes of them, and that each is kept."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segmentation import limits as module
from segmentation.errors import ImageReadError, ImageShapeError, ParameterError
from segmentation.image_io import read_image
from segmentation.limits import LIMITS, Limits, check_nuclei, limits, set_limits
from segmentation.truth_io import read_labels, read_truth


def test_each_limit_is_told() -> None:
    constants = {name for name in vars(module) if name.startswith("MAX_")}
    assert {limit.constant for limit in LIMITS} == constants
    assert [limit.name for limit in LIMITS] == list(asdict(Limits()))
    for limit in LIMITS:
        assert limit.default == getattr(module, limit.constant) == getattr(Limits(), limit.name)
        assert limit.variable == f"NUCLEOSCOPE_{limit.constant}"
        assert limit.option == "--" + limit.constant.lower().replace("_", "-")
        assert limit.meaning
        assert limit.unit


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_the_environment_sets_each(limit: module.Limit) -> None:
    assert limits({limit.variable: " 1_234,567 "}) == replace(Limits(), **{limit.name: 1_234_567})
    for text in ("0", "-3", "1.5", "1e9", "many", "٣", "9" * 40):
        with pytest.raises(ParameterError, match=f"^{limit.variable}='.*': it must be a whole number of {limit.unit}"):
            limits({limit.variable: text})
    with pytest.raises(ParameterError, match=f"^{limit.name}=0: "):
        replace(Limits(), **{limit.name: 0})
    assert limits({limit.variable: ""}) == limits({}) == Limits()


def test_limits_that_are_set_hold_here_and_in_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for limit in LIMITS:
        monkeypatch.setenv(limit.variable, str(limit.default))  # taken back at the end
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((30, 40), np.uint8))
    chosen = replace(Limits(), pixels=1199)
    assert limits(chosen.to_environment()) == chosen
    set_limits(chosen)
    assert limits() == chosen
    with pytest.raises(ImageReadError, match="the limit is 0 million"):
        read_image(tmp_path / "a.tif")
    set_limits(replace(chosen, pixels=1200))
    assert read_image(tmp_path / "a.tif").shape == (30, 40)


def test_nuclei(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    check_nuclei(4_000_000, "a.png")
    with pytest.raises(
        ImageShapeError, match=r"^a\.png: 4,000,001 nuclei in one picture and the limit is 4,000,000: c"
    ):
        check_nuclei(4_000_001, "a.png")
    labels = np.zeros((20, 60), np.uint16)
    for number in range(6):
        labels[4:12, 2 + 10 * number : 8 + 10 * number] = number + 1
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    tifffile.imwrite(tmp_path / "mask.tif", (labels > 0).astype(np.uint8))
    monkeypatch.setenv("NUCLEOSCOPE_MAX_NUCLEI", "6")
    for name in ("labels.tif", "mask.tif"):
        assert len(np.unique(read_truth([tmp_path / name], labels.shape).labels)) == 7
    np.testing.assert_array_equal(read_labels(tmp_path / "labels.tif"), labels)
    monkeypatch.setenv("NUCLEOSCOPE_MAX_NUCLEI", "5")
    for name in ("labels.tif", "mask.tif"):
        with pytest.raises(ImageShapeError, match=f"^{name}: 6 nuclei in one picture and the limit is 5"):
            read_truth([tmp_path / name], labels.shape)
    with pytest.raises(ImageShapeError, match="6 nuclei"):
        read_labels(tmp_path / "labels.tif")
