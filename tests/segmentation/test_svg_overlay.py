"""The SVG overlay: well-formed, the picture inside it, and outlines that a browser fills with the very pixels."""

import base64
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from segmentation import DecodeParams, MicroscopyImage, Segmentation, svg_overlay
from segmentation.errors import ParameterError
from segmentation.overlay import PALETTE, to_display
from segmentation.pixel_size import PixelSize
from segmentation.svg_overlay import write_svg

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"


def shapes() -> np.ndarray:
    """One pixel, in a corner, a hole, two parts, parts and holes that meet in a point, a number far away."""
    labels = np.zeros((20, 24), np.uint32)
    labels[0, 0] = 1
    labels[3:8, 3:9], labels[5, 5:7] = 2, 0
    labels[10:12, 3:5] = labels[12:14, 5:7] = 3
    labels[10:15, 10:16], labels[11, 11], labels[12, 12] = 4, 0, 0
    labels[16:, 20:] = 70_000
    return labels


def result_of(labels: np.ndarray, channels: int = 1, name: str = "cells") -> Segmentation:
    pixels = np.random.default_rng(0).integers(0, 4096, (*labels.shape, channels)).astype(np.uint16)
    image = MicroscopyImage(pixels, name)
    return Segmentation(image, np.zeros((1, *labels.shape), np.float32), ("foreground",), labels, DecodeParams(), 0.0)


def embedded(root: ElementTree.Element) -> Image.Image:
    head, data = root.find(f"{SVG}image").get(f"{XLINK}href").split(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(20, 24), (1, 1), (7, 301), (600, 5)])
def test_the_picture_is_inside(channels: int, shape: tuple[int, int], tmp_path: Path) -> None:
    labels = np.zeros(shape, np.uint16)
    result = result_of(labels, channels)
    root = ElementTree.parse(write_svg(tmp_path / "o.svg", result)).getroot()
    assert root.get("viewBox") == f"0 0 {shape[1]} {shape[0]}"
    assert (root.get("width"), root.get("height")) == (str(shape[1]), str(shape[0]))
    picture = embedded(root)
    assert picture.mode == {1: "L", 3: "RGB"}[channels]
    np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), to_display(result.image))
    assert not root.findall(f".//{SVG}path")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_large_picture_is_reduced_and_its_outlines_are_not(
    channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(svg_overlay, "MOST_PIXELS", 60)
    labels = shapes()
    result = result_of(labels, channels)
    root = ElementTree.parse(write_svg(tmp_path / "o.svg", result)).getroot()
    picture, image = embedded(root), root.find(f"{SVG}image")
    assert picture.size == (8, 7)  # a third, the last row of what is left
    assert (image.get("width"), image.get("height")) == ("24", "21")
    blocks = to_display(result.image).astype(float)
    np.testing.assert_allclose(np.asarray(picture.convert("RGB"))[0, 0], blocks[:3, :3].mean((0, 1)), atol=0.51)
    np.testing.assert_allclose(np.asarray(picture.convert("RGB"))[6, 7], blocks[18:, 21:].mean((0, 1)), atol=0.51)
    whole = [path.get("d") for path in root.iter(f"{SVG}path")]
    monkeypatch.undo()
    root = ElementTree.parse(write_svg(tmp_path / "o.svg", result)).getroot()
    assert [path.get("d") for path in root.iter(f"{SVG}path")] == whole


def test_a_picture_inside_is_never_too_long_for_firefox() -> None:
    longest = svg_overlay.MOST_PIXELS * 3 * 4 / 3
    assert longest * 1.03 < 32 * 2**20  # with deflate's own bytes for what cannot be packed, and filter types


@pytest.mark.parametrize("size", [None, PixelSize(0.5, 0.25)])
def test_a_path_has_number_area_and_colour(size: PixelSize | None, tmp_path: Path) -> None:
    root = ElementTree.parse(write_svg(tmp_path / "o.svg", result_of(shapes()), size)).getroot()
    paths = root.findall(f"{SVG}g[@id='nuclei']/{SVG}path")
    assert [path.get("id") for path in paths] == [f"nucleus-{label}" for label in (1, 2, 3, 4, 70_000)]
    titles = [path.find(f"{SVG}title").text for path in paths]
    areas = ["28 pixels", "16 pixels"] if size is None else ["3.5 µm²", "2 µm²"]
    assert [titles[1], titles[4]] == [f"Nucleus 2: {areas[0]}", f"Nucleus 70000: {areas[1]}"]
    colours = [bytes.fromhex(path.get("stroke")[1:]) for path in paths]
    assert colours == [PALETTE[label % len(PALETTE)].tobytes() for label in (1, 2, 3, 4, 70_000)]
    assert all(re.fullmatch(r"(M\d+ \d+([hv]-?\d+)+z)+", path.get("d")) for path in paths)


@pytest.mark.parametrize(
    "name",
    [
        '</title><script>alert("1")</script>',
        "a & b < c > d",
        "=1+1",
        "two\nlines",
        "null\0bell\7",
        "caf\udce9",
        "細胞😀",
    ],
)
def test_names_are_text_and_nothing_else(name: str, tmp_path: Path) -> None:
    path = write_svg(tmp_path / "o.svg", result_of(shapes(), name=name))
    root = ElementTree.parse(path).getroot()
    unspeakable = name.translate({0: "\ufffd", 7: "\ufffd", 0xDCE9: "\ufffd"})
    assert root.find(f"{SVG}title").text == unspeakable
    assert [element.tag.removeprefix(SVG) for element in root] == ["title", "image", "g"]


def test_wrong_arguments_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="pixel size"):
        write_svg(tmp_path / "o.svg", result_of(shapes()), PixelSize(-1, 1))
    with pytest.raises(ParameterError, match="integers"):
        write_svg(tmp_path / "o.svg", result_of(shapes().astype(float)))
    assert not list(tmp_path.iterdir())


def test_five_thousand_nuclei_are_a_few_megabytes(tmp_path: Path) -> None:
    disc = np.hypot(*(np.mgrid[:14, :14] - 6.5)) < 6.2
    labels = np.kron(np.arange(1, 5001).reshape(50, 100), np.ones((14, 14), int)) * np.tile(disc, (50, 100))
    result = result_of(labels.astype(np.uint16))
    image = MicroscopyImage(np.zeros((*labels.shape, 1), np.uint8), "flat")
    path = write_svg(
        tmp_path / "o.svg", Segmentation(image, result.maps, result.names, result.labels, result.params, 0)
    )
    assert path.stat().st_size / 5000 < 300  # bytes a nucleus


@pytest.mark.browser
def test_a_browser_fills_the_very_pixels_and_shows_the_picture(tmp_path: Path, browser: "Browser") -> None:
    labels = shapes()
    result = result_of(labels, 3, "<&>")
    path = write_svg(tmp_path / "o.svg", result)
    page = browser.new_page(viewport={"width": 24, "height": 20})
    page.goto(path.as_uri())
    found = page.evaluate(
        """() => [...document.querySelectorAll('path')].map(path => {
            path.setAttribute('fill', 'black');
            const inside = [];
            for (let y = 0; y < 20; y++) for (let x = 0; x < 24; x++)
                if (path.isPointInFill(new DOMPoint(x + .5, y + .5))) inside.push([y, x]);
            return [Number(path.id.split('-')[1]), inside];
        })"""
    )
    title = page.title()
    page.evaluate("document.getElementById('nuclei').remove()")
    shot = Image.open(io.BytesIO(page.screenshot()))
    page.close()
    again = np.zeros_like(labels)
    for label, inside in found:
        again[tuple(np.array(inside).T)] += label
    np.testing.assert_array_equal(again, labels)
    assert title == "<&>"
    np.testing.assert_array_equal(np.asarray(shot.convert("RGB")), to_display(result.image))
