"""What several tests share: tiny bundles, drawn pictures, and where the real data is, if it is here."""

import os

# Tests run beside each other and beside other work: one thread each is faster than two that fight.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from segmentation import Bundle, DecodeParams, UNet
from segmentation.examples import ExamplePicture, make_example

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]
REAL_DATA = ROOT.parent / "shared" / "dsb2018"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def project_root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """The one of all tests: Playwright runs once in a process."""
    if CHROMIUM is None:
        reason = "no chromium on this machine; on Debian: apt-get install chromium"
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        expect.set_options(timeout=60_000)  # milliseconds; machines that test are slow, and share their cores
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """What the pages showed when a test failed: its error alone rarely says why."""
    report = yield
    if report.when == "call" and report.failed and "browser" in (used := getattr(item, "funcargs", {})):
        from tests.ui.browser import seen

        pages = [page for context in used["browser"].contexts for page in context.pages]
        report.sections += [(f"the page {page.url}", seen(page)) for page in pages]
    return report


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with stage1_train.zip and groups.csv; tests that need it are skipped where it is not."""
    if not (REAL_DATA / "stage1_train.zip").exists():
        pytest.skip("the 2018 Data Science Bowl archive is not beside the project")
    return REAL_DATA


@pytest.fixture(scope="session")
def example() -> ExamplePicture:
    return make_example("fluorescence", 1, height=96, width=128, nuclei=8)


def bright_is_nucleus(**decode: object) -> Bundle:
    """A two-level network whose weights are set by hand: probability rises with brightness, 0.5 at mid-grey.

    It makes real nuclei out of bright blobs without any training, so that tests can state the count they expect.
    """
    network = UNet(channels=(2, 2), dropout=(0.0, 0.0))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        first, second = network.down[0][0], network.down[0][3]
        first.weight[0, :, 1, 1] = 1 / 3  # mean of the channels, untouched by ELU since it is positive
        second.weight[0, 0, 1, 1] = 1
        merge_first, merge_second = network.merge[0][0], network.merge[0][3]
        merge_first.weight[0, 2, 1, 1] = 1  # channels 0-1 come from below, 2-3 from the copied level
        merge_second.weight[0, 0, 1, 1] = 1
        network.head.weight[0, 0] = 20
        network.head.bias[0] = -10
    return Bundle(network.eval(), decode=DecodeParams(**decode))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return bright_is_nucleus()


@pytest.fixture(scope="session")
def bundle_folder(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle.save(tmp_path_factory.mktemp("bundle") / "bright")


def squares(height: int = 64, width: int = 96, side: int = 10) -> np.ndarray:
    """Dark uint8 picture with six bright squares, well apart."""
    picture = np.full((height, width), 10, np.uint8)
    for row in range(2):
        for column in range(3):
            top, left = 8 + 30 * row, 8 + 30 * column
            picture[top : top + side, left : left + side] = 220
    return picture


@pytest.fixture
def six_squares() -> np.ndarray:
    return squares()
