"""Shapes for other programs, read back by their libraries: the same pixels, the same numbers."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import roifile
import shapely
from pycocotools.coco import COCO
from scipy import ndimage
from skimage.draw import polygon2mask

from segmentation import shape_files
from segmentation.errors import ParameterError
from segmentation.shape_files import write_coco, write_geojson, write_rois


def blobs(seed: int) -> np.ndarray:
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).random((60, 80)), 1.5)
    return ndimage.label(smooth > np.median(smooth))[0].astype(np.uint16)


def shapes() -> np.ndarray:
    """Every awkward shape: one pixel, in a corner, a hole, two parts, parts and holes that meet in a point."""
    labels = np.zeros((20, 24), np.uint32)
    labels[0, 0] = 1
    labels[3:8, 3:9], labels[5, 5:7] = 2, 0
    labels[10:12, 3:5] = labels[12:14, 5:7] = 3
    labels[10:15, 10:16], labels[11, 11], labels[12, 12] = 4, 0, 0
    labels[16:, 20:] = 5
    labels[0, 20], labels[19, 0] = 6, 6
    labels[0:9, 12:14] = 7
    return labels


CASES = {
    "shapes": shapes(),
    "blobs": blobs(0),
    "noise": np.random.default_rng(1).integers(0, 4, (17, 12)).astype(np.uint16),
    "gaps": np.where(shapes() > 3, shapes() + 70_000, 0).astype(np.uint32),
    "all of it": np.ones((6, 4), np.uint16),
    "no nuclei": np.zeros((8, 9), np.uint16),
}
cases = pytest.mark.parametrize("labels", CASES.values(), ids=CASES.keys())


def table_of(labels: np.ndarray) -> pd.DataFrame:
    """A row for each nucleus, not in order, with every type of column that a table may have."""
    numbers = np.unique(labels[labels > 0])[::-1]
    mean = numbers / 3
    mean[:1] = np.nan
    return pd.DataFrame(
        {
            "label": numbers,
            "area_px": [int((labels == number).sum()) for number in numbers],
            "mean": mean,
            "ratio": np.where(numbers == 3, np.inf, 0.1).astype(np.float32),
            "touches_border": numbers % 2 == 0,
            "kind": "a, b",
        }
    )


def strict_json(path: Path) -> Any:
    """JSON as the standard has it: without NaN and Infinity, which Python would read and others refuse."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def roi_mask(roi: roifile.ImagejRoi, shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centres are inside, by ImageJ's even-odd rule."""
    mask = np.zeros(shape, bool)
    for ring in roi.coordinates(multi=True):
        mask ^= polygon2mask(shape, ring[:, ::-1].astype(float) - 0.5)
    return mask


@cases
def test_rois_round_trip(labels: np.ndarray, tmp_path: Path) -> None:
    path = write_rois(tmp_path / "r.zip", labels)
    again = np.zeros_like(labels)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    rois = roifile.roiread(path)
    for roi in rois:
        again[roi_mask(roi, labels.shape)] += int(roi.name)
        y, x = np.nonzero(labels == int(roi.name))
        assert (roi.left, roi.top, roi.right, roi.bottom) == (x.min(), y.min(), x.max() + 1, y.max() + 1)
    np.testing.assert_array_equal(again, labels)
    assert names == [f"{roi.name}.roi" for roi in rois] == sorted(names)
    assert len({len(name) for name in names}) <= 1  # zeros before the number


def test_rois_are_traced_outlines_or_composites(tmp_path: Path) -> None:
    rois = roifile.roiread(write_rois(tmp_path / "r.zip", shapes()))
    assert {roi.name for roi in rois if roi.composite} == {"2", "3", "4", "6"}
    assert {roi.roitype for roi in rois if not roi.composite} == {roifile.ROI_TYPE.TRACED}


@pytest.mark.parametrize("start", [32_700, 65_530])
def test_rois_beyond_two_bytes(start: int, tmp_path: Path) -> None:
    labels = np.zeros((3, start + 100), np.uint16)
    labels[1, start : start + 90] = 1
    labels[2, :4] = 2
    far, near = roifile.roiread(write_rois(tmp_path / "r.zip", labels))
    assert far.composite
    assert not near.composite
    [ring] = far.coordinates(multi=True)
    assert ring.min(axis=0).tolist() == [start, 1]
    assert ring.max(axis=0).tolist() == [start + 90, 2]


def test_more_rois_than_a_plain_zip_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A true zip of 70,000 takes about ten seconds: here the limit comes to the nuclei instead.
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 100)
    labels = np.zeros((24, 24), np.uint32)
    labels[::2, ::2] = np.arange(1, 145).reshape(12, 12)
    path = write_rois(tmp_path / "r.zip", labels)
    assert b"PK\6\6" in path.read_bytes()  # the end record of zip64
    rois = roifile.roiread(path)
    assert [roi.name for roi in rois] == [f"{label:03d}" for label in range(1, 145)]
    assert rois[-1].coordinates().tolist() == [[22, 22], [23, 22], [23, 23], [22, 23]]


@cases
def test_geojson_round_trip(labels: np.ndarray, tmp_path: Path) -> None:
    table = table_of(labels)
    collection = strict_json(write_geojson(tmp_path / "g.geojson", labels, table))
    assert collection["type"] == "FeatureCollection"
    again = np.zeros_like(labels)
    y, x = np.indices(labels.shape) + 0.5
    rows = table.set_index("label")
    for feature in collection["features"]:
        shape = shapely.geometry.shape(feature["geometry"])
        assert shape.is_valid
        for part in shapely.get_parts(shape):
            assert shapely.is_closed(shapely.get_exterior_ring(part))
        properties = feature["properties"]
        label = int(properties["name"])
        again[shapely.contains_xy(shape, x, y)] += label
        assert feature["type"] == "Feature"
        assert properties["objectType"] == "detection"
        assert properties["classification"] == {"name": "Nucleus", "color": [255, 200, 0]}
        expected = rows.loc[label].drop("kind").astype(float)
        assert properties["measurements"] == pytest.approx(expected[np.isfinite(expected)].to_dict())
        assert all(type(value) in (int, float) for value in properties["measurements"].values())
    np.testing.assert_array_equal(again, labels)
    assert [int(f["properties"]["name"]) for f in collection["features"]] == sorted(table["label"])


def test_geojson_rings_are_closed_and_types_are_plain(tmp_path: Path) -> None:
    collection = strict_json(write_geojson(tmp_path / "g.geojson", shapes(), table_of(shapes())))
    types = {f["properties"]["name"]: f["geometry"]["type"] for f in collection["features"]}
    assert {name for name, kind in types.items() if kind == "MultiPolygon"} == {"3", "6"}
    assert collection["features"][0]["geometry"]["coordinates"] == [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]
    assert str(collection["features"][0]["properties"]["measurements"]).startswith("{'area_px': 1, 'mean': 0.33")


@cases
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools itself
@pytest.mark.parametrize("measured", [True, False])
def test_coco_round_trip(labels: np.ndarray, measured: bool, tmp_path: Path) -> None:
    table = table_of(labels) if measured else None
    path = write_coco(tmp_path / "c.json", labels, "Zelle ä.tif", table)
    strict_json(path)
    coco = COCO(path)
    height, width = labels.shape
    assert coco.loadImgs(1) == [{"id": 1, "file_name": "Zelle ä.tif", "width": width, "height": height}]
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["nucleus"]
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=1, iscrowd=False))
    assert [each["id"] for each in annotations] == np.unique(labels[labels > 0]).tolist()
    for annotation in annotations:
        mask = labels == annotation["id"]
        np.testing.assert_array_equal(coco.annToMask(annotation), mask)
        y, x = np.nonzero(mask)
        assert annotation["area"] == len(x)
        assert annotation["bbox"] == [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]
        assert ("attributes" in annotation) == measured
        if measured:
            assert annotation["attributes"]["area_px"] == len(x)
    if measured and annotations:
        assert annotations[-1]["attributes"]["mean"] is None


def test_coco_has_polygons_unless_there_are_holes(tmp_path: Path) -> None:
    annotations = strict_json(write_coco(tmp_path / "c.json", shapes(), "a.tif"))["annotations"]
    coded = {each["id"] for each in annotations if isinstance(each["segmentation"], dict)}
    assert coded == {2, 4}
    assert annotations[0]["segmentation"] == [[0, 0, 1, 0, 1, 1, 0, 1]]
    assert len(annotations[2]["segmentation"]) == 2


def test_run_lengths_go_on_from_one_column_to_the_next(tmp_path: Path) -> None:
    labels = np.ones((3, 4), np.uint8)
    labels[1, 1] = 0
    [annotation] = strict_json(write_coco(tmp_path / "c.json", labels, "a.tif"))["annotations"]
    assert annotation["segmentation"] == {"size": [3, 4], "counts": [0, 4, 1, 7, 0]}


@pytest.mark.parametrize("change", ["missing", "extra", "twice", "other", "no label"])
def test_a_table_of_other_nuclei_is_refused_and_nothing_is_left(change: str, tmp_path: Path) -> None:
    labels = shapes()
    table = table_of(labels).sort_values("label")
    table = {
        "missing": table[table["label"] != 4],
        "extra": pd.concat([table, table.tail(1).assign(label=9)]),
        "twice": pd.concat([table, table.tail(1)]),
        "other": table.replace({"label": {7: 8}}),
        "no label": table.drop(columns="label"),
    }[change]
    path = tmp_path / "old"
    path.write_text("old")
    with pytest.raises(ParameterError, match="label"):
        write_geojson(path, labels, table)
    with pytest.raises(ParameterError, match="label"):
        write_coco(path, labels, "a.tif", table)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", [write_rois, lambda path, labels: write_coco(path, labels, "a")])
def test_what_is_no_label_image_is_refused(write: Any, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="integers"):
        write(tmp_path / "x", np.ones((3, 3)))
    assert not list(tmp_path.iterdir())


def test_shapes_are_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next nucleus is outlined only when the one before it is written."""
    real, seen = shape_files.polygons, []

    def watched(labels: np.ndarray) -> Any:
        for label, parts in real(labels):
            [scratch] = tmp_path.glob(".*.part")
            seen.append(scratch.stat().st_size)
            yield label, parts

    monkeypatch.setattr(shape_files, "polygons", watched)
    labels = np.zeros((60, 60), np.uint16)
    labels[::2, ::2] = np.arange(1, 901).reshape(30, 30)
    write_geojson(tmp_path / "g.geojson", labels, table_of(labels))
    assert 0 < seen[len(seen) // 2] < seen[-1]
