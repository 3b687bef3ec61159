"""What the tests of the static page share: a server of files, the page in a tab, and a way to call its modules."""

import base64
import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, expect

ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}

# Typed arrays travel as {dtype, data}, whatever they are nested in.
_CALL = """async ([module, name, args]) => {
    const KINDS = { float32: Float32Array, float64: Float64Array, uint8: Uint8Array, int8: Int8Array,
                    uint16: Uint16Array, int16: Int16Array, uint32: Uint32Array, int32: Int32Array };
    const pack = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    const unpack = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
    const inward = (value) => {
        if (Array.isArray(value)) return value.map(inward);
        if (!value || typeof value !== "object") return value;
        if (value.dtype) return new KINDS[value.dtype](unpack(value.data));
        return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, inward(each)]));
    };
    const outward = (value) => {
        if (ArrayBuffer.isView(value)) {
            const dtype = Object.keys(KINDS).find((kind) => value instanceof KINDS[kind]) ?? "uint8";
            return { dtype, data: pack(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)) };
        }
        if (Array.isArray(value)) return value.map(outward);
        if (!value || typeof value !== "object") return value;
        return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, outward(each)]));
    };
    const found = await import(new URL(`js/${module}.js`, document.baseURI));
    return outward(await found[name](...inward(args)));
}"""


@contextmanager
def serve_folder(folder: Path, headers: dict[str, str] | None = None) -> Iterator[str]:
    """A plain server of static files, and its address, while the block runs."""

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def static_page(browser: Browser, address: str, **model: Any) -> Iterator[Page]:
    """The page, with its model loaded; afterwards it must have asked no other host, and thrown nothing.

    ``model`` replaces entries of model.json.
    """
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    strangers: list[str] = []
    faults: list[str] = []
    page.on("request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else strangers.append(r.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    if model:
        page.route("**/model.json", lambda route: route.fulfill(json={**route.fetch().json(), **model}))
    page.goto(address)
    page.wait_for_selector("body[data-threads]", state="attached")
    yield page
    page.close()
    assert strangers == []
    assert faults == []


def decoded(page: Page) -> int:
    """How often nuclei were shown."""
    return int(page.locator("body").get_attribute("data-decoded") or 0)


def shown(page: Page, before: int) -> None:
    """Wait until nuclei are shown anew."""
    expect(page.locator("body")).to_have_attribute("data-decoded", str(before + 1), timeout=60_000)
    expect(page.locator("#busy")).to_be_hidden()


def give(page: Page, path: Path) -> None:
    """Choose a file, and wait for its nuclei."""
    before = decoded(page)
    page.set_input_files("#file", str(path))
    shown(page, before)


def saved(page: Page, kind: str, folder: Path) -> Path:
    """The file that a button of "Take home" gives."""
    with page.expect_download() as download:
        page.click(f"[data-save={kind}]")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def call(page: Page, module: str, name: str, *args: Any) -> Any:
    """The answer of one of the page's own functions; arrays go in and come back flat."""
    return _outward(page.evaluate(_CALL, [module, name, _inward(args)]))


def _inward(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "data": base64.b64encode(np.ascontiguousarray(value)).decode()}
    if isinstance(value, list | tuple):
        return [_inward(each) for each in value]
    if isinstance(value, dict):
        return {key: _inward(each) for key, each in value.items()}
    return value


def _outward(value: Any) -> Any:
    if isinstance(value, dict) and "dtype" in value:
        return np.frombuffer(base64.b64decode(value["data"]), value["dtype"])
    if isinstance(value, list):
        return [_outward(each) for each in value]
    if isinstance(value, dict):
        return {key: _outward(each) for key, each in value.items()}
    return value
