import gc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmentation import DecodeParams, Segmenter
from segmentation.segmenter import Segmentation
from tests.conftest import squares
from ui.session import MAX_DISPLAY, Session, redecode, render, save_labels, segment_files


@pytest.fixture
def segmenter(bundle_folder: Path) -> Segmenter:
    return Segmenter.from_pretrained(bundle_folder, "cpu")


@pytest.fixture
def session(segmenter: Segmenter, tmp_path: Path) -> Session:
    """Three pictures: two of one name from different folders, and a stack of two pages."""
    paths = [tmp_path / "a" / "cells.png", tmp_path / "b" / "cells.png", tmp_path / "stack.tif"]
    for path in paths[:2]:
        path.parent.mkdir()
        Image.fromarray(squares()).save(path)
    tifffile.imwrite(paths[2], np.stack([squares(), squares()]), photometric="minisblack")
    return segment_files(segmenter, paths, segmenter.bundle.decode, lambda done, text: None)


def test_equal_names_are_told_apart(session: Session) -> None:
    assert session.names() == ["cells", "cells_2", "stack_page1", "stack_page2"]
    assert [row[:2] for row in session.table()] == [[name, 6] for name in session.names()]


def test_progress_climbs_to_the_end(segmenter: Segmenter, tmp_path: Path) -> None:
    Image.fromarray(squares()).save(tmp_path / "a.png")
    Image.fromarray(squares()).save(tmp_path / "b.png")
    steps: list[float] = []
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    segment_files(segmenter, paths, segmenter.bundle.decode, lambda done, text: steps.append(done))
    assert steps == sorted(steps)
    assert steps[-1] == pytest.approx(1.0)


def test_redecode_does_not_run_the_network(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Segmenter, "predict_maps", lambda *_: pytest.fail("the network ran"))
    fresh = redecode(session, DecodeParams(min_area=1000))
    assert [result.count for result in fresh.results] == [0, 0, 0, 0]
    assert [result.count for result in session.results] == [6, 6, 6, 6]  # the old one is still whole
    assert fresh.results[0].seconds == session.results[0].seconds


def test_labels_are_saved_and_forgotten_with_the_session(session: Session) -> None:
    paths = [Path(path) for path in save_labels(session)]
    for path, result in zip(paths, session.results, strict=True):
        np.testing.assert_array_equal(tifffile.imread(path), result.labels)
    again = redecode(session, DecodeParams(min_area=1000))
    assert [Path(path) for path in save_labels(again)] == paths  # overwritten, not heaped up
    folder = paths[0].parent
    session.folder = again.folder = None
    gc.collect()
    assert not folder.exists()


def test_pictures_for_the_page_are_small_and_show_every_nucleus(segmenter: Segmenter) -> None:
    pixels = np.full((1800, 3300), 10, np.uint8)
    pixels[100:160, 3000:3060] = 220
    result: Segmentation = segmenter(pixels)
    display, overlay = render(result, style="Outline", opacity=1.0)
    assert max(display.shape) == MAX_DISPLAY
    changed = np.argwhere((display != overlay).any(axis=2)) * 3300 / MAX_DISPLAY
    assert np.abs(changed.mean(axis=0) - (130, 3030)).max() < 4


def test_fill_and_opacity(session: Session) -> None:
    display, filled = render(session.results[0], style="Fill", opacity=1.0)
    _, outlined = render(session.results[0], style="Outline", opacity=1.0)
    _, faint = render(session.results[0], style="Fill", opacity=0.1)
    inside = (12, 12)
    assert (filled[inside] != display[inside]).any()
    assert (outlined[inside] == display[inside]).all()
    assert np.abs(faint.astype(int) - display).max() < np.abs(filled.astype(int) - display).max()
