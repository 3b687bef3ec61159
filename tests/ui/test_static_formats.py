"""Files are read by the static page as Python reads them, to the last bit, and go nowhere; in a real browser."""

import base64
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from segmentation import MicroscopyImage, read_images
from tests.ui.static_site import call, serve_folder

pytestmark = pytest.mark.browser

# The page's reader, as one function: bytes, page and channel -> planes, notes.
_READ = """async ([data, page, channel]) => {
    const { openPicture, finish } = await import(new URL("js/pictures.js", document.baseURI));
    const opened = await openPicture(Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)).buffer);
    const { width, height, planes, notes } = finish(await opened.read(page), channel, 3);
    const kind = planes[0].constructor.name, values = planes.map((plane) => Array.from(plane));
    return { pages: opened.pages, width, height, notes, kind, planes: values };
}"""


@pytest.fixture(scope="module")
def page(browser: Browser, project_root: Path) -> Iterator[Page]:
    with serve_folder(project_root / "segmentation" / "web") as address:
        page = browser.new_page()
        page.goto(address)
        yield page
        page.close()


def read(page: Page, path: Path, number: int = 0) -> tuple[NDArray, dict[str, Any]]:
    """``(H, W, C)`` pixels, and the rest of what the page says."""
    told = page.evaluate(_READ, [base64.b64encode(path.read_bytes()).decode(), number, None])
    dtype = told["kind"].removesuffix("Array").removesuffix("Clamped").lower()
    planes = [np.array(plane, dtype).reshape(told["height"], told["width"]) for plane in told.pop("planes")]
    return np.stack(planes, -1), told


def noise(*shape: int, dtype: Any = np.uint8) -> NDArray:
    return np.random.default_rng(len(shape)).integers(0, min(np.iinfo(dtype).max, 60_000), shape, dtype)


GREY, COLOUR, DEEP = noise(37, 53), noise(37, 53, 3), noise(37, 53, dtype=np.uint16)
SMOOTH = np.add.outer(np.arange(90), np.arange(70)).astype(np.uint8)
FLOATS = np.where(GREY[3, 3] == GREY, np.nan, GREY / 7 - 9).astype(np.float32)


def pillow(name: str, picture: Image.Image, **options: Any) -> tuple[str, Callable[[Path], object]]:
    return name, lambda path: picture.save(path, **options)


def tiff(name: str, array: NDArray, **options: Any) -> tuple[str, Callable[[Path], object]]:
    return f"{name}.tif", lambda path: tifffile.imwrite(path, array, **options)


def see_through(mode: str) -> Image.Image:
    picture = Image.fromarray(COLOUR).convert(mode)
    picture.putalpha(Image.fromarray(np.where(GREY < 90, 0, GREY).astype(np.uint8)))
    return picture


def interlaced(path: Path) -> None:
    """Adam7 (PNG specification, 8.2), which Pillow reads and does not write."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b""
    for left, top, across, down in passes:
        raw += b"".join(b"\0" + row.tobytes() for row in DEEP[top::down, left::across].astype(">u2"))
    path.write_bytes(png(struct.pack(">IIBBBBB", 53, 37, 16, 0, 0, 0, 1), raw))


def png(header: bytes, raw: bytes) -> bytes:
    """A file of these rows, each after its filter's number."""
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )


FILES = dict(
    [
        pillow("bits.png", Image.fromarray(GREY > 99)),
        pillow("grey.png", Image.fromarray(GREY)),
        pillow("deep.png", Image.fromarray(DEEP)),
        pillow("rgb.png", Image.fromarray(COLOUR)),
        pillow("palette.png", Image.fromarray(COLOUR).quantize(13)),
        pillow("palette_clear.png", Image.fromarray(COLOUR).quantize(200), transparency=7),
        pillow("rgba.png", see_through("RGBA")),
        pillow("la.png", see_through("L")),
        pillow("key.png", Image.fromarray(GREY), transparency=int(GREY[0, 0])),
        ("interlaced.png", interlaced),
        pillow("smooth.png", Image.fromarray(SMOOTH), optimize=True),
        tiff("grey", GREY),
        tiff("white", GREY, photometric="miniswhite"),
        tiff("deep_tiles", np.tile(DEEP, (3, 3)), tile=(32, 48), compression="zlib", predictor=True),
        tiff("signed", DEEP.astype(np.int16) - np.int16(7)),
        tiff("long", DEEP.astype(np.uint32) * 70_000),
        tiff("floats", FLOATS, compression="zlib", predictor=True),
        tiff("doubles", FLOATS.astype(np.float64), bigtiff=True),
        tiff("big_endian", DEEP, byteorder=">"),
        tiff("rgb", COLOUR, photometric="rgb", compression="lzw"),
        tiff("planes", np.moveaxis(COLOUR, -1, 0), photometric="rgb", planarconfig="separate"),
        tiff("rgba", np.dstack([COLOUR, np.where(GREY < 90, 0, GREY)]), photometric="rgb", extrasamples=["unassalpha"]),
        tiff("packbits", GREY // 64, compression="packbits"),
        tiff("zstd", DEEP, compression="zstd"),
        tiff("palette", GREY, photometric="palette", colormap=noise(3, 256, dtype=np.uint16)),
        tiff("inks", np.dstack([COLOUR, GREY]), photometric="separated"),
        pillow("grey.bmp", Image.fromarray(GREY)),
        pillow("rgb.bmp", Image.fromarray(COLOUR)),
        pillow("grey.gif", Image.fromarray(GREY)),
        pillow("rgb.gif", Image.fromarray(COLOUR).quantize(40)),
    ]
)  # fmt: skip


def expected(path: Path) -> MicroscopyImage:
    return next(read_images(path))


@pytest.mark.parametrize("name", FILES)
def test_pixels_are_those_that_python_reads(page: Page, name: str, tmp_path: Path) -> None:
    FILES[name](tmp_path / name)
    image = expected(tmp_path / name)
    pixels, told = read(page, tmp_path / name)
    np.testing.assert_array_equal(pixels, image.pixels)
    assert pixels.dtype == image.pixels.dtype
    assert any("transparent" in note for note in told["notes"]) == any("transparent" in note for note in image.notes)
    assert any("not finite" in note for note in told["notes"]) == any("not finite" in note for note in image.notes)


@pytest.mark.parametrize("filter_type", range(5))
def test_every_filter_of_a_png_is_undone(page: Page, filter_type: int, tmp_path: Path) -> None:
    picture = np.add.outer(np.arange(64) * 3, np.arange(48)).astype(np.uint8)
    raw = b""
    above = np.zeros(48, np.uint8)
    for row in picture:
        left, corner = np.append(np.uint8(0), row[:-1]), np.append(np.uint8(0), above[:-1])
        a, b, c = (each.astype(int) for each in (left, above, corner))
        guess = a + b - c
        away = np.abs(np.stack([guess - a, guess - b, guess - c]))
        paeth = np.choose(away.argmin(axis=0), [a, b, c])
        predicted = [np.zeros(48, int), a, b, (a + b) // 2, paeth][filter_type]
        raw += bytes([filter_type]) + (row - predicted).astype(np.uint8).tobytes()
        above = row
    (tmp_path / "filtered.png").write_bytes(png(struct.pack(">IIBBBBB", 48, 64, 8, 0, 0, 0, 0), raw))
    np.testing.assert_array_equal(read(page, tmp_path / "filtered.png")[0][..., 0], picture)


def test_pages_are_read_one_by_one(page: Page, tmp_path: Path) -> None:
    stack = noise(3, 20, 30, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "stack.ome.tif", stack)
    for number in range(3):
        pixels, told = read(page, tmp_path / "stack.ome.tif", number)
        assert told["pages"] == 3
        np.testing.assert_array_equal(pixels[..., 0], stack[number])


def test_a_jpeg_is_read_as_stored(page: Page, tmp_path: Path) -> None:
    """Not turned as its EXIF says; decoders of JPEG may differ by a step or two."""
    smooth = np.add.outer(np.arange(40) * 3, np.arange(56) * 2).astype(np.uint8)
    exif = Image.Exif()
    exif[274] = 6
    for name, picture in (("grey.jpg", Image.fromarray(smooth)), ("rgb.jpg", Image.fromarray(np.dstack([smooth] * 3)))):
        picture.save(tmp_path / name, quality=95, exif=exif)
        pixels, told = read(page, tmp_path / name)
        np.testing.assert_allclose(pixels.astype(int), expected(tmp_path / name).pixels.astype(int), atol=3)
        assert "as stored" in told["notes"][0]


def test_label_images_of_very_many_nuclei_have_32_bits(page: Page, tmp_path: Path) -> None:
    labels = np.arange(70_000, dtype=np.uint32).reshape(250, 280)
    file = page.evaluate(
        """async () => {
            const { labelsFile } = await import(new URL("js/files.js", document.baseURI));
            const file = await labelsFile(Uint32Array.from({ length: 70000 }, (_, at) => at), 280, 250);
            return Array.from(new Uint8Array(await file.arrayBuffer()));
        }"""
    )
    (tmp_path / "labels.tif").write_bytes(bytes(file))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), labels)
    assert call(page, "errors", "explain", "some fault").startswith("This should not have happened: some fault.")


def test_the_page_may_speak_to_no_other_host(page: Page) -> None:
    blocked = page.evaluate(
        """() => new Promise((tell) => {
            document.addEventListener("securitypolicyviolation", (event) => tell(event.effectiveDirective));
            fetch("https://elsewhere.invalid/").catch(() => setTimeout(tell, 500, "nothing"));
        })"""
    )
    assert blocked == "connect-src"


def test_opened_as_a_file_it_says_the_cure(browser: Browser, project_root: Path) -> None:
    page = browser.new_page()
    page.goto((project_root / "segmentation" / "web" / "index.html").as_uri())
    expect(page.locator("#cold")).to_contain_text("python3 -m http.server")
    expect(page.locator("#cold")).to_be_visible()
    page.close()
