"""A model from the Hub, through the page's own picker."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from playwright.sync_api import Browser, Page, expect

from segmentation import Segmenter
from tests.hub_fixtures import python, server  # noqa: F401  (fixtures)
from tests.hub_server import HubServer, Run
from tests.ui.browser import give, opened, settled, shown_count, whole
from tests.ui.server import serve
from tests.ui.test_results import take_home

pytestmark = pytest.mark.browser


@pytest.fixture
def hub_page(
    server: HubServer,  # noqa: F811
    browser: Browser,
    project_root: Path,
    tmp_path: Path,
) -> Iterator[Page]:
    settings = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "page"), "HF_TOKEN": ""}
    with serve(project_root, tmp_path, **settings) as address, opened(browser, address) as page:
        whole(page)
        expect(page.locator("#examples img").first).to_be_visible()
        yield page


def fetch(page: Page, model: str) -> None:
    page.fill("#hub-id input", model)
    page.press("#hub-id input", "Enter")
    page.click("#hub-fetch")


def test_pushed_by_one_process_and_used_by_the_page(
    hub_page: Page,
    server: HubServer,  # noqa: F811
    python: Run,  # noqa: F811
    pictures: tuple[Path, Path],
    project_root: Path,
    tmp_path: Path,
) -> None:
    slide = project_root / "checkpoints" / "slide"
    pushed = python("-m", "segmentation.hub", "push", str(slide), "lab/nuclei")
    assert pushed.returncode == 0, pushed.stderr
    page = hub_page
    give(page, pictures[0])
    page.locator("#network button").first.click()
    # What there is, chosen from the list.
    page.click("#hub-list")
    expect(page.locator("#hub-list")).to_be_enabled()
    page.click("#hub-id input")
    page.get_by_role("option", name="lab/nuclei").click()
    page.evaluate("() => { window.before = window.nucleoscope.state.columns; }")
    page.click("#hub-fetch")
    commit = server.model("lab/nuclei").branches["main"]
    expect(page.locator("#model input")).to_have_value(f"lab/nuclei@{commit}")
    expected = Segmenter.from_pretrained(slide, "cpu")(pictures[0])
    # Two models may find as many: wait for what the fetched one found.
    page.wait_for_function("() => window.nucleoscope.state.columns !== window.before")
    settled(page)
    assert shown_count(page) == expected.count
    files = take_home(page, "Files of this picture", tmp_path / "files")
    np.testing.assert_array_equal(tifffile.imread(files["cells_labels.tif"]), expected.labels)
    assert f'"name": "lab/nuclei@{commit}"' in files["cells_run.json"].read_text()
    page.locator("#recipe button").first.click()
    expect(page.locator("#command .cm-content")).to_contain_text(f"lab/nuclei@{commit}")
    # A reload keeps the model.
    page.reload()
    whole(page)
    expect(page.locator("#summary .count")).to_have_text(f"{expected.count} nuclei")
    page.locator("#network button").first.click()
    expect(page.locator("#model input")).to_have_value(f"lab/nuclei@{commit}")
    assert shown_count(page) == expected.count
    # What the Hub does not have is a sentence, and the model stays.
    fetch(page, "lab/unheard")
    expect(page.locator(".toast-body")).to_contain_text("lab/unheard")
    expect(page.locator("#model input")).to_have_value(f"lab/nuclei@{commit}")
    fetch(page, "checkpoints")
    expect(page.locator(".toast-body").last).to_contain_text("a model on the Hub is called OWNER/NAME")
