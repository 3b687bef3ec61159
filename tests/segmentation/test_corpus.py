"""Every file of the corpus gives just what is expected: these pictures, or this sentence, soon, in little memory."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from segmentation import read_images
from segmentation.image_info import describe
from tests.segmentation.corpus import CASES
from tests.segmentation.corpus_tools import SENTENCES, Case

SECONDS, MEGABYTES = 10, 400
READABLE = [case for case in CASES if not case.says]
REFUSED = [case for case in CASES if case.says]


def name(case: Case) -> str:
    return case.name


@contextmanager
def bounded() -> Iterator[None]:
    """Fails where what is done inside takes long, or much memory at any moment of it."""
    start, used, resettable = time.perf_counter(), _kilobytes("VmRSS"), True
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    except OSError:
        resettable = False
    yield
    assert time.perf_counter() - start < SECONDS
    if resettable:
        assert _kilobytes("VmHWM") - used < MEGABYTES * 1024


def _kilobytes(key: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


@pytest.mark.parametrize("case", READABLE, ids=name)
def test_readable(case: Case, tmp_path: Path) -> None:
    path = tmp_path / case.name
    path.write_bytes(case.data())
    info, images = describe(path), list(read_images(path, channel=case.channel))
    assert (info.format, info.sentence(), info.axes, info.channel_names) == (
        case.form,
        case.told,
        case.axes,
        case.names,
    )
    assert info.pixel_size == (None if case.pixel_size is None else pytest.approx(case.pixel_size))
    assert len(images) == info.pages == len(case.pages)
    for image, expected in zip(images, case.pages, strict=True):
        assert image.pixels.dtype == expected.dtype
        assert image.pixels.dtype.isnative
        assert image.pixels.shape == (*expected.shape[:2], 1 if expected.ndim == 2 else 3)
        if case.within:
            np.testing.assert_allclose(image.pixels.squeeze().astype(float), expected, rtol=0, atol=case.within)
        else:
            np.testing.assert_array_equal(image.pixels, expected.reshape(image.pixels.shape))
        assert image.notes == case.notes
        assert image.pixel_size == info.pixel_size


@pytest.mark.parametrize("case", REFUSED, ids=name)
def test_refused(case: Case, tmp_path: Path) -> None:
    path = tmp_path / case.name
    path.write_bytes(case.data())
    with bounded(), pytest.raises(case.error) as caught:
        list(read_images(path, channel=case.channel))
    assert str(caught.value) == case.says
    assert type(caught.value) is case.error
    assert "\n" not in case.says


def test_size_of_the_corpus() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    assert set(SENTENCES) == {case.name for case in REFUSED}
