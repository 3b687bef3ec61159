"""The real page, served by the real entry point, for a real browser."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from segmentation import Segmenter
from segmentation.examples import make_example
from tests.ui.browser import opened, whole
from tests.ui.server import serve


@pytest.fixture(scope="session")
def url(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(project_root, tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    with opened(browser, url) as page:
        whole(page)
        expect(page.locator("#examples img").first).to_be_visible()
        yield page


@pytest.fixture(scope="session")
def segmenter(project_root: Path) -> Segmenter:
    return Segmenter.from_pretrained(project_root / "checkpoints" / "nuclei", "cpu")


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    """A 16-bit TIFF and an RGB PNG."""
    dim = make_example("fluorescence", 2, height=200, width=260, nuclei=14, radius=(9, 14))
    tifffile.imwrite(tmp_path / "cells.tif", dim.pixels[..., 0].astype(np.uint16) * 16)
    Image.fromarray(make_example("tissue", 3, height=180, width=240, nuclei=18).pixels).save(tmp_path / "tissue.png")
    return tmp_path / "cells.tif", tmp_path / "tissue.png"
