"""Pictures in, sliders, many pictures: the real page in a real browser."""

import base64
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from playwright.sync_api import Page, expect

from segmentation import Segmenter
from segmentation.examples import make_example
from tests.ui.browser import centre, click, drop, give, set_number, settled, shown_count, state, type_number, whole

pytestmark = pytest.mark.browser


def test_drop_a_16_bit_tiff(page: Page, pictures: tuple[Path, Path], segmenter: Segmenter) -> None:
    drop(page, pictures[0])
    settled(page)
    expect(page.locator("#summary .detail")).to_contain_text("cells: 260 x 200, grey, uint16")
    expect(page.locator("#understood")).to_contain_text("cells.tif 260 x 200, grey, 16 bit")
    assert shown_count(page) == segmenter(pictures[0]).count > 5
    assert state(page, "[S.width, S.height]") == [260, 200]


def test_channel_and_pixel_size_of_an_ome_tiff(page: Page, tmp_path: Path, segmenter: Segmenter) -> None:
    """The channel that holds the nuclei is chosen, and the file's micrometres reach the table."""
    cells = make_example("fluorescence", 2, height=160, width=160, nuclei=10, radius=(9, 13)).pixels[..., 0]
    path = tmp_path / "two.ome.tif"
    tifffile.imwrite(
        path,
        np.stack([np.zeros_like(cells), cells]).astype(np.uint16) * 100,
        metadata={
            "axes": "CYX",
            "Channel": {"Name": ["Actin", "DAPI"]},
            "PhysicalSizeX": 0.5,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": 0.5,
            "PhysicalSizeYUnit": "µm",
        },
    )
    page.set_input_files("#drop input[type=file]", str(path))
    expect(page.locator("#understood")).to_contain_text("2 channels (Actin, DAPI), 16 bit, 0.5 µm a pixel")
    expect(page.locator("#summary .count")).to_have_text("0 nuclei")  # the first one is empty
    page.click("#channel input")
    page.get_by_role("option", name="1: DAPI").click()
    expected = segmenter(path, channel=1)
    expect(page.locator("#summary .count")).to_have_text(f"{expected.count} nuclei")
    settled(page)
    expect(page.locator("#summary .facts")).to_contain_text("µm²")
    expect(page.locator(".nb-columns")).to_contain_text("area (µm²)")
    area = sum(state(page, "S.columns.area_um2"))
    assert area == pytest.approx((expected.labels > 0).sum() / 4, rel=1e-4)
    set_number(page, "#pixel-size", "1")
    page.wait_for_function(
        "area => window.nucleoscope.state.columns.area_um2.reduce((a, b) => a + b) > 3 * area", arg=area
    )


def test_a_stack_is_projected(page: Page, tmp_path: Path, segmenter: Segmenter) -> None:
    cells = make_example("fluorescence", 2, height=120, width=120, nuclei=8, radius=(9, 13)).pixels[..., 0]
    stack = np.stack([np.where(np.arange(120) < 60, cells, 3), np.where(np.arange(120) < 60, 3, cells)]).astype(
        np.uint8
    )
    tifffile.imwrite(tmp_path / "stack.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    give(page, tmp_path / "stack.tif")
    expect(page.locator("#picker")).to_be_visible()  # two planes, two pictures
    page.click("#projection input")
    page.get_by_role("option", name="Brightest of all planes").click()
    expect(page.locator("#picker")).to_be_hidden()
    settled(page)
    assert shown_count(page) == segmenter(stack.max(axis=0)).count > 4


def test_two_pictures_a_zip_and_a_bad_file(
    page: Page, pictures: tuple[Path, Path], tmp_path: Path, segmenter: Segmenter
) -> None:
    archive, bad = tmp_path / "plate.zip", tmp_path / "notes.png"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(pictures[0], "well/a1.tif")
    bad.write_text("<b>well A1</b>")
    give(page, archive, bad, pictures[1])
    expect(page.locator("#problems .failure")).to_contain_text("notes.png: not a picture")
    counts = [segmenter(path).count for path in pictures]
    assert shown_count(page) == counts[0]
    for text in ("a1", str(counts[0]), "tissue", str(counts[1]), "failed"):
        expect(page.locator("#table")).to_contain_text(text)
    page.locator("#gallery button.thumbnail-item").nth(1).click()
    expect(page.locator("#summary .detail")).to_contain_text("tissue: 240 x 180, RGB, uint8")
    settled(page)
    assert shown_count(page) == counts[1]


def test_answers_that_come_in_a_rush_are_all_taken(page: Page, pictures: tuple[Path, Path], tmp_path: Path) -> None:
    """A browser that was busy meanwhile gets all of them at once."""
    (tmp_path / "bad.png").write_text("no picture")
    paths = [*pictures, tmp_path / "bad.png"]
    with page.expect_request(lambda sent: "queue/join" in sent.url and len(sent.post_data_json["data"]) > 5):
        page.set_input_files("#drop input[type=file]", [str(path) for path in paths])
    page.evaluate("() => { const end = performance.now() + 5000; while (performance.now() < end); }")
    expect(page.locator("#problems .failure")).to_have_count(1)
    settled(page)
    assert state(page, "S.id") == "cells"
    expect(page.locator("#picker input")).to_have_value("cells")


def test_sliders_work_without_the_network(page: Page, pictures: tuple[Path, Path], segmenter: Segmenter) -> None:
    give(page, pictures[0])
    # Gradio's arrow beside a slider sets what the page began with, whichever model is chosen.
    expect(page.locator("#threshold input[type=range]")).to_be_visible()
    expect(page.get_by_test_id("reset-button")).to_have_count(0)
    time_line = page.locator("#summary .detail").inner_text()
    result = segmenter(pictures[0])
    own = segmenter.bundle.decode
    params = replace(own, threshold=0.9, min_area=320, min_probability=0.91)
    for knob, value in (("#min-area", "320"), ("#min-probability", "0.91"), ("#threshold", "0.9")):
        set_number(page, knob, value)
    expected = result.decode(params).count
    expect(page.locator("#summary .count")).to_have_text(re.compile(rf"^{expected} nucle(us|i)$"))
    page.locator("#drop-border input").check()
    fewer = result.decode(replace(params, drop_border=True)).count
    assert fewer < expected < result.count
    expect(page.locator("#summary .count")).to_have_text(re.compile(rf"^{fewer} nucle(us|i)$"))
    assert page.locator("#summary .detail").inner_text() == time_line  # the network's time is still the first one
    page.get_by_role("button", name="Reset to the model's values").click()
    expect(page.locator("#threshold input[type=number]")).to_have_value(str(own.threshold))
    expect(page.locator("#drop-border input")).not_to_be_checked()
    expect(page.locator("#summary .count")).to_have_text(f"{result.count} nuclei")


def test_accurate_mode_and_magnification_run_the_network_again(
    page: Page, pictures: tuple[Path, Path], segmenter: Segmenter
) -> None:
    give(page, pictures[1])
    page.locator("#network button").first.click()
    for what in ("accurate", "plain", "small", "reset"):
        time_line = page.locator("#summary .detail").inner_text()
        if what in ("accurate", "plain"):
            page.locator("#accurate input[type=checkbox]").set_checked(what == "accurate")
        elif what == "small":
            set_number(page, "#magnification", "0.5")
        else:
            page.get_by_role("button", name="Reset to the model's values").click()
        expect(page.locator("#summary .detail")).not_to_have_text(time_line)
        settled(page)
        magnification = 0.5 if what == "small" else None
        expected = segmenter(pictures[1], accurate=what == "accurate", magnification=magnification)
        assert shown_count(page) == expected.count
        labels = np.array(state(page, "[...S.labels]")).reshape(expected.labels.shape)
        np.testing.assert_array_equal(labels, expected.labels)


def test_a_value_out_of_range_never_joins_the_queue(page: Page, pictures: tuple[Path, Path]) -> None:
    page.locator("#network button").first.click()
    type_number(page, "#magnification", "9", slider="4")
    page.set_input_files("#drop input[type=file]", str(pictures[0]))
    expect(page.locator(".toast-body")).to_contain_text("9 is greater than maximum value 4")
    expect(page.locator("#summary .count")).to_have_count(0)
    set_number(page, "#magnification", "1.5")
    settled(page)
    assert shown_count(page) > 0


def test_example_is_one_click(page: Page) -> None:
    page.locator("#examples button").first.click()
    settled(page)
    expect(page.locator("#summary .detail")).to_contain_text("example-fluorescence: 384 x 384")
    assert shown_count(page) > 20


def test_only_a_bad_file(page: Page, tmp_path: Path) -> None:
    (tmp_path / "empty.tif").touch()
    page.set_input_files("#drop input[type=file]", str(tmp_path / "empty.tif"))
    expect(page.locator("#problems .failure")).to_contain_text("the file is empty")


def test_paste_from_the_clipboard(page: Page, pictures: tuple[Path, Path]) -> None:
    for path in pictures:
        content = base64.b64encode(path.read_bytes()).decode()
        page.evaluate(
            """([content, name]) => {
                const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0)), data = new DataTransfer();
                data.items.add(new File([bytes], name));
                document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
            }""",
            [content, path.name],
        )
        expect(page.locator("#understood")).to_contain_text(path.name)
        settled(page)
    expect(page.locator("#table")).to_contain_text("tissue")  # the second joins the first
    expect(page.locator("#summary .detail")).to_contain_text("cells: 260 x 200")


def test_choose_the_model(page: Page, pictures: tuple[Path, Path], project_root: Path) -> None:
    other = Segmenter.from_pretrained(project_root / "checkpoints" / "slide", "cpu")
    give(page, pictures[0])
    page.locator("#network button").first.click()
    expect(page.locator("#card")).to_contain_text("For research, not for diagnosis")
    expect(page.locator("#card")).to_contain_text("Kaggle score on pictures that chose nothing: 0.")
    page.click("#model input")
    page.get_by_role("option", name="slide").click()
    expect(page.locator("#threshold input[type=number]")).to_have_value(str(other.bundle.decode.threshold))
    expected = other(pictures[0])
    page.wait_for_function(
        "sum => window.nucleoscope.state.labels.reduce((a, b) => a + b, 0) === sum", arg=int(expected.labels.sum())
    )
    settled(page)
    labels = np.array(state(page, "[...S.labels]")).reshape(expected.labels.shape)
    np.testing.assert_array_equal(labels, expected.labels)
    page.get_by_role("button", name="Delete", exact=True).click()
    click(page, *centre(page, 1))
    expect(page.locator("#summary .count")).to_have_text(f"{expected.count - 1} nuclei")
    visit = page.evaluate("sessionStorage.getItem('nucleoscope-visit')")
    page.reload()
    whole(page)
    page.wait_for_timeout(1000)  # what a run by the default model would need, which must not begin
    settled(page)
    assert shown_count(page) == expected.count - 1
    assert page.evaluate("sessionStorage.getItem('nucleoscope-visit')") == visit
    expect(page.locator("#separation input[type=number]")).to_have_value(str(other.bundle.decode.separation))
