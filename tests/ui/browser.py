"""What the browser tests do with the page."""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect


@contextmanager
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """The page in a tab of its own; afterwards it must have asked no other host, and thrown nothing."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    strangers: list[str] = []
    faults: list[str] = []
    page.on("request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else strangers.append(r.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if "js_on_load" in message.text else None)
    try:
        page.goto(address)
        yield page
    finally:
        page.close()
    assert strangers == []  # labs work offline, and pictures are private
    assert faults == []


def whole(page: Page) -> None:
    """Wait until the page has put back what its visitor had: it sets every slider."""
    page.wait_for_selector("body[data-restored]", state="attached")


def seen(page: Page) -> str:
    """What the page shows and does, in words; never raises, and never waits for long."""
    told = []
    facts = {
        "it is": "[document.visibilityState, document.activeElement?.outerHTML.slice(0, 200)]",
        "messages": "[...document.querySelectorAll('.toast-body')].map((each) => each.innerText)",
        "summary": "document.querySelector('#summary')?.innerText",
        "problems": "document.querySelector('#problems')?.innerText",
    }
    for polling in (100, "raf"):  # by a timer, then by frames, which stop when the page no longer draws
        what = f"() => ({{{', '.join(f'{key!r}: {script}' for key, script in facts.items())}}})"
        try:
            found = page.wait_for_function(what, polling=polling, timeout=3000).json_value()  # type: ignore[arg-type]
            told.append(f"answers to {polling}: {found}")
        except Exception as error:
            told.append(f"no answer to {polling}: {str(error).splitlines()[0]}")
        facts = {"frames": "performance.now()"}
    return "\n".join(told)


def shown_count(page: Page) -> int:
    text = page.locator("#summary .count").inner_text()
    found = re.fullmatch(r"([\d,]+) (?:nucleus|nuclei)", text)
    assert found, text
    return int(found[1].replace(",", ""))


def drop(page: Page, path: Path) -> None:
    """Let go of a file over the drop zone, as a mouse does."""
    content = base64.b64encode(path.read_bytes()).decode()
    script = """([content, name]) => {
        const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], name));
        return data;
    }"""
    data = page.evaluate_handle(script, [content, path.name])
    page.dispatch_event("#drop button", "drop", {"dataTransfer": data})


def give(page: Page, *paths: Path) -> None:
    """Choose files, and wait until all of them are segmented or refused."""
    page.set_input_files("#drop input[type=file]", [str(path) for path in paths])
    settled(page)


def settled(page: Page) -> None:
    """Wait until the count on the page is that of the nuclei in the viewer."""
    expect(page.locator("#summary .count")).to_be_visible()
    expect(page.locator("#cancel")).to_be_hidden()
    page.wait_for_function(
        """() => {
            const state = window.nucleoscope?.state, text = document.querySelector("#summary .count")?.innerText || "";
            return state?.labels && state.columns && Number(text.replace(/\\D/g, "")) === state.columns.label.length;
        }"""
    )


def state(page: Page, expression: str) -> Any:
    """Something of the viewer's state, such as ``S.count``."""
    return page.evaluate(f"(() => {{ const S = window.nucleoscope.state; return {expression}; }})()")


def on_canvas(page: Page, y: float, x: float) -> tuple[float, float]:
    """Where a place of the picture lies on the screen."""
    page.locator(".nb-canvas").scroll_into_view_if_needed()
    left, top = page.evaluate(
        "(() => { const b = document.querySelector('.nb-canvas').getBoundingClientRect(); return [b.left, b.top]; })()"
    )
    scale, offset_x, offset_y = state(page, "[S.scale, S.x, S.y]")
    return left + offset_x + x * scale, top + offset_y + y * scale


def click(page: Page, y: float, x: float, **more: Any) -> None:
    """Click on a place of the picture."""
    page.mouse.click(*on_canvas(page, y, x), **more)


def drag(page: Page, *places: tuple[float, float]) -> None:
    """Draw through places of the picture, (y, x) each."""
    points = [on_canvas(page, *place) for place in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


def centre(page: Page, label: int) -> tuple[float, float]:
    """A pixel of a nucleus, (y, x), near its middle."""
    return tuple(
        page.evaluate(
            """(label) => {
            const S = window.nucleoscope.state, own = [];
            for (let at = 0; at < S.labels.length; at++)
                if (S.labels[at] === label) own.push([Math.floor(at / S.width), at % S.width]);
            const mean = [0, 1].map((axis) => own.reduce((sum, place) => sum + place[axis], 0) / own.length);
            own.sort((a, b) => Math.hypot(a[0] - mean[0], a[1] - mean[1]) - Math.hypot(b[0] - mean[0], b[1] - mean[1]));
            return [own[0][0] + 0.5, own[0][1] + 0.5];
        }""",
            label,
        )
    )


def type_number(page: Page, where: str, value: str, slider: str) -> None:
    """Type into a slider's box and do not enter it, until the slider stands at ``slider`` and stays there.

    A drawer that has just been opened still puts the first value into its controls, on a busy machine after a moment.
    """
    for _ in range(20):
        page.fill(f"{where} input[type=number]", value)
        page.wait_for_timeout(300)
        if page.input_value(f"{where} input[type=range]") == slider:
            return
    raise AssertionError(f"{where} does not take {value}")


def set_number(page: Page, where: str, value: str) -> None:
    """Type into a slider's or a number's box."""
    page.fill(f"{where} input[type=number]", value)
    page.press(f"{where} input[type=number]", "Enter")
