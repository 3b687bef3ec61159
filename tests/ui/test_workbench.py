"""Looking, picking, measuring and correcting in the browser."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from segmentation import Segmenter
from segmentation.measurements import measure
from tests.ui.browser import centre, click, drag, give, on_canvas, set_number, settled, shown_count, state

pytestmark = pytest.mark.browser


@pytest.fixture
def cells(page: Page, pictures: tuple[Path, Path]) -> Page:
    """The page with one picture open."""
    give(page, pictures[0])
    return page


def ink(page: Page) -> str:
    """What the canvas shows, as a digest."""
    return page.evaluate(
        """new Promise(done => requestAnimationFrame(() => requestAnimationFrame(
            () => done(document.querySelector('.nb-canvas').toDataURL()))))"""
    )


def test_views_differ_and_come_back(cells: Page) -> None:
    seen = [ink(cells)]
    for name in ("Compare", "Probability", "Uncertainty", "Fill"):
        cells.get_by_role("button", name=name, exact=True).click()
        seen.append(ink(cells))
    assert len(set(seen)) == 5
    expect(cells.locator(".nb-legend")).to_contain_text("unsure")
    for name in ("Outline", "Overlay"):
        cells.get_by_role("button", name=name, exact=True).click()
    assert ink(cells) == seen[0]
    cells.locator("[data-look=opacity]").fill("0")
    assert ink(cells) not in seen


def test_zoom_and_native_pixels(cells: Page) -> None:
    fitted = state(cells, "S.scale")
    cells.get_by_role("button", name="Zoom in").click()
    assert state(cells, "S.scale") == pytest.approx(1.5 * fitted)
    cells.get_by_role("button", name="1:1").click()
    assert state(cells, "S.scale * devicePixelRatio") == pytest.approx(1)
    expect(cells.locator(".nb-scale")).to_have_text("100 %")
    x, y = on_canvas(cells, 100, 130)
    cells.mouse.move(x, y)
    cells.mouse.wheel(0, -400)
    cells.wait_for_function("window.nucleoscope.state.scale > 1.5")
    assert on_canvas(cells, 100, 130) == pytest.approx((x, y), abs=1)  # what is under the pointer stays there
    cells.locator(".nb-canvas").press("0")
    assert state(cells, "S.scale") == pytest.approx(fitted)


def test_a_nucleus_and_its_row_are_one(cells: Page) -> None:
    click(cells, *centre(cells, 5))
    assert state(cells, "[...S.selected]") == [5]
    expect(cells.locator(".nb-row.nb-chosen")).to_have_attribute("data-label", "5")
    expect(cells.locator(".nb-card")).to_contain_text("Nucleus 5")
    before = ink(cells)
    cells.locator(".nb-row[data-label='2']").click()
    assert state(cells, "[...S.selected]") == [2]
    assert ink(cells) != before
    cells.locator(".nb-canvas").press("n")
    assert state(cells, "[...S.selected]") == [3]
    cells.locator(".nb-canvas").press("Escape")
    assert state(cells, "S.selected.size") == 0


def test_table_holds_the_measurements(cells: Page, pictures: tuple[Path, Path], segmenter: Segmenter) -> None:
    result = segmenter(pictures[0])
    expected = measure(result.labels, result.image.pixels, full=True)
    for column in ("area_px", "eccentricity", "solidity", "orientation_deg", "mean_intensity", "integrated_intensity"):
        np.testing.assert_allclose(state(cells, f"S.columns.{column}"), expected[column], rtol=1e-5, atol=1e-9)
    assert state(cells, "S.columns.touches_border") == expected["touches_border"].tolist()
    heading = cells.locator(".nb-columns button", has_text="area (px)")
    heading.click()
    smallest = expected.sort_values("area_px")["label"].iloc[0]
    expect(cells.locator(".nb-row").first).to_have_attribute("data-label", str(smallest))
    heading.click()
    largest = expected.sort_values("area_px")["label"].iloc[-1]
    expect(cells.locator(".nb-row").first).to_have_attribute("data-label", str(largest))
    limit = float(expected["area_px"].median())
    cells.fill(".nb-search", f"area > {limit}")
    wanted = int((expected["area_px"] > limit).sum())
    expect(cells.locator(".nb-found")).to_have_text(f"{wanted} of {len(expected)}")


def test_a_bar_selects_its_nuclei(cells: Page) -> None:
    bars = cells.locator(".nb-bars button:enabled")
    found: list[int] = []
    for index in range(bars.count()):
        bars.nth(index).click()
        found += state(cells, "[...S.selected]")
    assert sorted(found) == state(cells, "S.columns.label")


def corrected(page: Page, count: int) -> None:
    expect(page.locator("#summary .count")).to_have_text(f"{count} nuclei")
    settled(page)


def test_delete_undo_redo(cells: Page) -> None:
    count = shown_count(cells)
    cells.get_by_role("button", name="Delete", exact=True).click()
    click(cells, *centre(cells, 3))
    corrected(cells, count - 1)
    assert 3 not in state(cells, "S.columns.label")
    cells.get_by_role("button", name="Undo").click()
    corrected(cells, count)
    expect(cells.get_by_role("button", name="Undo")).to_be_disabled()
    cells.get_by_role("button", name="Redo").click()
    corrected(cells, count - 1)


def test_split_and_merge(cells: Page) -> None:
    count = shown_count(cells)
    label = max(range(1, count + 1), key=lambda each: state(cells, f"S.columns.area_px[{each - 1}]"))
    left, top, right, bottom = state(cells, f"[...S.boxes.subarray({4 * label}, {4 * label + 4})]")
    y, _ = centre(cells, label)
    cells.get_by_role("button", name="Split", exact=True).click()
    drag(cells, (y, left - 3), (y, right + 4))
    corrected(cells, count + 1)
    new = count + 1
    assert set(state(cells, "S.columns.label")) == set(range(1, count + 2))
    cells.get_by_role("button", name="Merge", exact=True).click()
    click(cells, *centre(cells, label))
    click(cells, *centre(cells, new))
    corrected(cells, count)
    assert bottom > top


def test_draw_and_a_line_that_crosses_nothing(cells: Page) -> None:
    count = shown_count(cells)
    empty = cells.evaluate(
        """() => {
            const S = window.nucleoscope.state;
            for (let y = 0; y + 12 < S.height; y++) for (let x = 0; x + 12 < S.width; x++) {
                let clear = true;
                for (let i = 0; i < 144 && clear; i++)
                    clear = !S.labels[(y + Math.floor(i / 12)) * S.width + x + (i % 12)];
                if (clear) return [y, x];
            }
        }"""
    )
    y, x = empty
    cells.get_by_role("button", name="Split", exact=True).click()
    drag(cells, (y + 2, x + 2), (y + 9, x + 9))
    expect(cells.locator(".nb-hint")).to_contain_text("crosses no nucleus")
    cells.get_by_role("button", name="Draw", exact=True).click()
    drag(cells, (y + 2, x + 2), (y + 2, x + 10), (y + 10, x + 10), (y + 10, x + 2))
    corrected(cells, count + 1)
    area = state(cells, "S.columns.area_px").pop()
    assert 40 <= area <= 90


def test_a_slider_ends_corrections_and_undo_revives_them(cells: Page) -> None:
    count = shown_count(cells)
    cells.get_by_role("button", name="Delete", exact=True).click()
    click(cells, *centre(cells, 3))
    corrected(cells, count - 1)
    set_number(cells, "#min-area", "19")
    expect(cells.locator(".nb-hint")).to_contain_text("Undo brings them back")
    corrected(cells, count)
    cells.get_by_role("button", name="Undo").click()
    corrected(cells, count - 1)
