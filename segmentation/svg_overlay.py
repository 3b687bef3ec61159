"""The overlay as a drawing: the picture, and over it an outline for each nucleus that can be picked and restyled."""

import base64
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segmentation.microscopy_image import MicroscopyImage
from segmentation.overlay import PALETTE, display_strips
from segmentation.pixel_size import PixelSize, check_pixel_size
from segmentation.png_stream import Plan, Sink, write_png
from segmentation.polygons import Polygon, polygons
from segmentation.segmenter import Segmentation
from segmentation.writers import save

# Of the picture inside, three bytes each: Firefox shows no picture whose text is longer than 32 MiB.
MOST_PIXELS = 8_000_000
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2


def write_svg(path: str | Path, result: Segmentation, pixel_size: PixelSize | None = None) -> Path:
    """An SVG that browsers, Inkscape and Illustrator open: the picture, and a path for each nucleus.

    A path has the id ``nucleus-12``, the nucleus's number and area as its title, which browsers show under the mouse,
    and the overlay's colour. It runs along the edges of the nucleus's pixels, one unit each, and holes are inside it by
    the even-odd rule. A picture of more than eight million pixels is reduced by a whole factor; its outlines are not.

    Args:
        path: of the file.
        result: the picture and its nuclei.
        pixel_size: micrometres a pixel, for the areas; None gives them in pixels.

    Raises:
        ParameterError: if the labels are none, or the pixel size is out of range.
        OSError: if the file cannot be written.
    """
    pixel_area = 1.0
    if pixel_size is not None:
        check_pixel_size(pixel_size)
        pixel_area = pixel_size.x * pixel_size.y
    unit = "pixels" if pixel_size is None else "\N{MICRO SIGN}m\N{SUPERSCRIPT TWO}"

    def write(scratch: Path) -> None:
        with scratch.open("wb") as file:
            _open(file, result)
            _embed(file, result.image)
            # Nothing is filled, and still the title shows everywhere inside.
            file.write(b'<g id="nuclei" fill="none" fill-rule="evenodd" stroke-width="1" pointer-events="all">\n')
            for label, parts in polygons(result.labels):
                area = sum(part.area for part in parts) * pixel_area
                red, green, blue = PALETTE[label % len(PALETTE)].tolist()
                file.write(
                    f'<path id="nucleus-{label}" stroke="#{red:02x}{green:02x}{blue:02x}" d="{_path(parts)}">'
                    f"<title>Nucleus {label}: {area:.5g} {unit}</title></path>\n".encode()
                )
            file.write(b"</g>\n</svg>\n")

    return save(path, write)


def _open(file: Sink, result: Segmentation) -> None:
    height, width = result.image.shape
    name = escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", result.image.name))
    file.write(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">\n'
        f"<title>{name}</title>\n".encode()
    )


def _embed(file: Sink, image: MicroscopyImage) -> None:
    height, width = image.shape
    factor = 1
    while -(-height // factor) * -(-width // factor) > MOST_PIXELS:
        factor += 1
    rows, columns = -(-height // factor), -(-width // factor)
    channels = image.pixels.shape[2]
    # Its last column and row may stand for less than a whole block, and are drawn as whole ones beyond the edge.
    rendering = ' style="image-rendering:pixelated"' if factor == 1 else ""
    file.write(
        f'<image id="picture" width="{columns * factor}" height="{rows * factor}" preserveAspectRatio="none"'
        f'{rendering} xlink:href="data:image/png;base64,'.encode()
    )
    encoded = _Base64(file)
    write_png(encoded, Plan(rows, columns, channels), _strips(image, channels, factor))
    encoded.finish()
    file.write(b'"/>\n')


def _strips(image: MicroscopyImage, channels: int, factor: int) -> Iterator[NDArray[np.uint8]]:
    for _, strip in display_strips(image, rows=max(256 // factor, 1) * factor):
        shown = strip[..., 0] if channels == 1 else strip
        yield shown if factor == 1 else np.asarray(Image.fromarray(shown).reduce(factor))


class _Base64:
    """What is written to it reaches the file as base64."""

    def __init__(self, file: Sink) -> None:
        self._file, self._rest = file, b""

    def write(self, data: bytes, /) -> None:
        whole = self._rest + data
        full = len(whole) // 3 * 3  # what makes four letters without padding
        self._file.write(base64.b64encode(whole[:full]))
        self._rest = whole[full:]

    def finish(self) -> None:
        self._file.write(base64.b64encode(self._rest))


def _path(parts: list[Polygon]) -> str:
    """Path data: a start for each ring, then how far along each edge."""
    pieces = []
    for ring in (ring for part in parts for ring in part.rings):
        corners = ring.tolist()
        pieces.append(f"M{corners[0][0]} {corners[0][1]}")
        pieces += [f"h{x - a}" if y == b else f"v{y - b}" for (a, b), (x, y) in pairwise(corners)]
        pieces.append("z")
    return "".join(pieces)
