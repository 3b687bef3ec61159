"""Every format, written the way users get it, read back by its readers' own library, and held against the labels."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import roifile
import shapely
import tifffile
from PIL import Image
from pycocotools.coco import COCO
from skimage.draw import polygon2mask
from skimage.measure import regionprops_table

from segmentation import DecodeParams, MicroscopyImage, Segmentation
from segmentation.examples import make_example
from segmentation.exports import FORMATS, write_all
from segmentation.measurements import measure
from segmentation.overlay import draw_overlay, to_display
from segmentation.pixel_size import PixelSize

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools itself
Shape = tuple[int, int]
Masks = Iterator[tuple[int, np.ndarray]]
HOSTILE = '=1+1"</title>\n<b>&@細.tif'


def awkward() -> np.ndarray:
    """One pixel, in a corner, a hole, a nucleus in a hole, parts, parts and holes that meet in a point, gaps."""
    labels = np.zeros((20, 24), np.uint16)
    labels[0, 0] = 1
    labels[3:8, 3:9], labels[5, 5:7] = 2, 0
    labels[10:12, 3:5] = labels[12:14, 5:7] = 3
    labels[10:15, 10:16], labels[11, 11], labels[12, 12] = 4, 0, 9
    labels[16:, 20:] = 5
    labels[0, 20], labels[19, 0] = 6, 6
    labels[0:9, 12:14], labels[0:9, 14:16] = 7, 8
    return labels


CASES = {
    "awkward": awkward(),
    "nuclei": make_example("tissue", 1, height=70, width=90, nuclei=12).labels,
    "noise": np.random.default_rng(1).integers(0, 4, (17, 12)).astype(np.uint16),
    "beyond 65,535": np.where(awkward() > 2, awkward() + np.uint32(70_000), awkward()).astype(np.uint32),
    "no nuclei": np.zeros((8, 9), np.uint16),
}


def filled(rings: list[np.ndarray], shape: Shape) -> np.ndarray:
    """Pixels whose centres lie inside an odd number of (x, y) rings."""
    mask = np.zeros(shape, bool)
    for ring in rings:
        mask ^= polygon2mask(shape, np.asarray(ring, float)[:, ::-1] - 0.5)
    return mask


def roi_masks(path: Path, shape: Shape) -> Masks:
    for roi in roifile.roiread(path):
        yield int(roi.name), filled(roi.coordinates(multi=True), shape)


def geojson_masks(path: Path, shape: Shape) -> Masks:
    y, x = np.indices(shape) + 0.5
    for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
        geometry = shapely.geometry.shape(feature["geometry"])
        assert geometry.is_valid, shapely.is_valid_reason(geometry)
        yield int(feature["properties"]["name"]), shapely.contains_xy(geometry, x, y)


def coco_masks(path: Path, shape: Shape) -> Masks:
    coco = COCO(path)
    for annotation in coco.loadAnns(coco.getAnnIds(imgIds=1)):
        mask = coco.annToMask(annotation).astype(bool)
        assert annotation["area"] == mask.sum()
        yield annotation["id"], mask


def svg_masks(path: Path, shape: Shape) -> Masks:
    """By the definition of path data; a browser's answer is in test_svg_overlay.py."""
    for element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}path"):
        rings = []
        for ring in element.get("d").split("z")[:-1]:
            start, *steps = re.findall(r"[Mhv][^Mhv]+", ring)
            points = [np.array(start[1:].split(), int)]
            points += [np.array([int(step[1:]), 0] if step[0] == "h" else [0, int(step[1:])]) for step in steps]
            rings.append(np.cumsum(points, axis=0))
        yield int(element.get("id").removeprefix("nucleus-")), filled(rings, shape)


def of_masks(masks: Callable[[Path, Shape], Masks]) -> Callable[[Path, Shape], np.ndarray]:
    def read(path: Path, shape: Shape) -> np.ndarray:
        labels = np.zeros(shape, np.int64)
        for label, mask in masks(path, shape):
            assert not labels[mask].any(), f"nucleus {label} lies on another"
            assert mask.any()
            labels[mask] = label
        return labels

    return read


# Formats that give the labels back to the last pixel; docs/formats.md calls them identical.
READERS: dict[str, Callable[[Path, Shape], np.ndarray]] = {
    "labels": lambda path, shape: tifffile.imread(path),
    "npy": lambda path, shape: np.load(path, allow_pickle=False),
    "svg": of_masks(svg_masks),
    "rois": of_masks(roi_masks),
    "geojson": of_masks(geojson_masks),
    "coco": of_masks(coco_masks),
}
OTHERS = {"png", "overlay", "csv", "run"}  # whose tests are below


class Written:
    """The files of a picture, and what they were made of."""

    def __init__(self, folder: Path, labels: np.ndarray) -> None:
        size = PixelSize(0.5, 0.25)
        pixels = np.random.default_rng(0).integers(0, 60_000, (*labels.shape, 3)).astype(np.uint16)
        image = MicroscopyImage(pixels, HOSTILE, pixel_size=size)
        maps = np.zeros((1, *labels.shape), np.float32)
        self.labels = labels
        self.result = Segmentation(image, maps, ("foreground",), labels, DecodeParams(), 0.0)
        names = ["=DAPI", "@a\n,b", '"<>']
        self.table = measure(labels, pixels, pixel_size=size, channel_names=names, full=True)
        self.record = {"picture": {"file_name": HOSTILE, "pixel_size_um": size._asdict()}, "numbers": [1.5, None]}
        paths = write_all(folder, "a", self.result, self.table, self.record)
        self.paths = dict(zip(FORMATS, paths, strict=True))


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Written:
    return Written(tmp_path, request.param)


def test_every_format_is_tried() -> None:
    assert READERS.keys() | OTHERS == FORMATS.keys()


@pytest.mark.parametrize("key", READERS)
def test_labels_come_back(key: str, written: Written) -> None:
    again = READERS[key](written.paths[key], written.labels.shape)
    np.testing.assert_array_equal(again, written.labels)


def test_png_labels_come_back_up_to_252(written: Written) -> None:
    with Image.open(written.paths["png"]) as picture:
        numbers = np.asarray(picture)
    expected = np.where(written.labels > 0, (written.labels.astype(np.int64) - 1) % 252 + 1, 0)
    np.testing.assert_array_equal(numbers, expected)


def test_overlay_comes_back(written: Written) -> None:
    with Image.open(written.paths["overlay"]) as picture:
        pixels = np.asarray(picture)
    np.testing.assert_array_equal(pixels, draw_overlay(to_display(written.result.image), written.labels))


def test_measurements_come_back(written: Written) -> None:
    again = pd.read_csv(written.paths["csv"])
    pd.testing.assert_frame_equal(again, written.table, check_exact=True, check_dtype=len(written.table) > 0)
    geojson = json.loads(written.paths["geojson"].read_text(encoding="utf-8"))["features"]
    coco = json.loads(written.paths["coco"].read_text(encoding="utf-8"))["annotations"]
    numbers = written.table.drop(columns="label").astype(float).to_dict("records")
    assert [feature["properties"]["measurements"] for feature in geojson] == numbers
    assert [annotation["attributes"] for annotation in coco] == numbers


def test_measurements_are_scikit_images(written: Written) -> None:
    """What every table has, against the oracle; tests of each value are in test_measurements.py."""
    table, labels = written.table, written.labels
    wanted = {
        "area_um2": "area", "perimeter_um": None, "equivalent_diameter_um": "equivalent_diameter_area",
        "major_axis_um": "axis_major_length", "minor_axis_um": "axis_minor_length", "orientation_deg": None,
        "eccentricity": "eccentricity", "solidity": "solidity", "centroid_x_um": "centroid-1",
        "centroid_y_um": "centroid-0", "bbox_left_px": "bbox-1", "bbox_top_px": "bbox-0", "touches_border": None,
        "mean_intensity_dapi": "intensity_mean-0", "min_intensity_a_b": "intensity_min-1",
        "max_intensity_channel": "intensity_max-2", "integrated_intensity_dapi": None,
    }  # fmt: skip
    assert set(wanted) <= set(table.columns)
    if len(table):
        properties = {name.split("-")[0] for name in wanted.values() if name}
        oracle = regionprops_table(labels, written.result.image.pixels, properties, spacing=(0.5, 0.25))
        for column, name in wanted.items():
            if name:
                np.testing.assert_allclose(table[column], oracle[name], rtol=1e-9, atol=1e-5, err_msg=column)


def test_names_of_files_are_text_everywhere(written: Written) -> None:
    coco = COCO(written.paths["coco"])
    assert coco.loadImgs(1)[0]["file_name"] == HOSTILE
    record: Any = json.loads(written.paths["run"].read_text(encoding="utf-8"))
    assert record == written.record
    assert ElementTree.parse(written.paths["svg"]).find("{*}title").text == HOSTILE
    for text in written.table.columns:
        assert re.fullmatch(r"\w+", text)  # channels' names cannot begin a formula


def test_the_same_nuclei_are_the_same_bytes(written: Written, tmp_path: Path) -> None:
    again = Written(tmp_path / "again", written.labels)
    for key, path in again.paths.items():
        assert path.read_bytes() == written.paths[key].read_bytes(), key
