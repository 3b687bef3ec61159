"""The nuclei's shapes for ImageJ and Fiji, QuPath, and whatever reads COCO; all of them exact to the pixel."""

import json
import math
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from roifile import ROI_TYPE, ImagejRoi

from segmentation.atomic import replacing
from segmentation.errors import ParameterError
from segmentation.polygons import Polygon, check_labels, polygons

CLASS = {"name": "Nucleus", "color": [255, 200, 0]}  # how QuPath shows them
_REACH = 32_767  # whole numbers that every version of ImageJ reads back from two bytes

Measurements = dict[str, int | float | None]


def write_rois(path: str | Path, labels: NDArray) -> Path:
    """ImageJ regions of interest, for Fiji's ROI Manager (More, Open...): a zip with one ROI for each nucleus.

    A ROI is called by its nucleus's number, with zeros before it, so that they sort. It is a traced outline, as
    ImageJ's own wand draws, or, for a nucleus with holes or of several parts, a composite; either way it covers exactly
    its pixels.

    Args:
        path: of the zip; a label image without nuclei leaves it empty.
        labels: ``(H, W)`` integers, 0 the background.

    Raises:
        ParameterError: if these are no labels.
        OSError: if the file cannot be written.
    """
    check_labels(labels)
    path, digits = Path(path), len(str(labels.max(initial=0)))
    with replacing(path) as scratch, ZipFile(scratch, "w") as archive:
        for label, parts in polygons(labels):
            name = f"{label:0{digits}d}"
            entry = ZipInfo(f"{name}.roi")  # without a date: the same nuclei are the same bytes
            entry.external_attr = 0o644 << 16  # or nobody may read what unzip makes of it
            archive.writestr(entry, _roi(name, parts).tobytes(), ZIP_DEFLATED)
    return path


def write_geojson(path: str | Path, labels: NDArray, table: pd.DataFrame) -> Path:
    """A GeoJSON FeatureCollection that QuPath (0.4 and later) opens as detections with measurements.

    Coordinates are pixels of the full picture. A feature's name is the nucleus's number. Its measurements are the
    table's columns of numbers; a value that is not finite is left out, since QuPath shows a missing one as NaN, and
    refuses a whole file for a null.

    Args:
        path: of the file.
        labels: ``(H, W)`` integers, 0 the background.
        table: a row for each nucleus, found by the column ``label``.

    Raises:
        ParameterError: if these are no labels, or the table's are others.
        OSError: if the file cannot be written.
    """
    features = (
        {
            "type": "Feature",
            "geometry": geometry(parts),
            "properties": {
                "objectType": "detection",
                "name": str(label),
                "classification": CLASS,
                "measurements": {name: value for name, value in measurements.items() if value is not None},
            },
        }
        for label, parts, measurements in _measured(labels, table)
    )
    return _write_stream(Path(path), {"type": "FeatureCollection"}, "features", features)


def write_coco(path: str | Path, labels: NDArray, file_name: str, table: pd.DataFrame | None = None) -> Path:
    """COCO instance segmentation, as JSON: one picture, one category, an annotation for each nucleus.

    An annotation's id is the nucleus's number. Its segmentation is a list of polygons, or, since COCO's polygons know
    no holes, an uncompressed run-length code if there are any. Both give pycocotools the nucleus's pixels exactly.
    ``area`` is their number and ``bbox`` is ``[x, y, width, height]``.

    Args:
        path: of the file.
        labels: ``(H, W)`` integers, 0 the background.
        file_name: of the picture.
        table: a row for each nucleus, found by the column ``label``; its columns of numbers become the annotations'
            ``attributes``, null where not finite.

    Raises:
        ParameterError: if these are no labels, or the table's are others.
        OSError: if the file cannot be written.
    """
    check_labels(labels)
    height, width = labels.shape
    head = {
        "images": [{"id": 1, "file_name": file_name, "width": width, "height": height}],
        "categories": [{"id": 1, "name": "nucleus", "supercategory": ""}],
    }
    annotations = (
        {
            "id": label,
            "image_id": 1,
            "category_id": 1,
            "segmentation": _coco_shape(parts, height, width),
            "area": sum(part.area for part in parts),
            "bbox": _coco_box(parts),
            "iscrowd": 0,
            **({} if table is None else {"attributes": measurements}),
        }
        for label, parts, measurements in _measured(labels, table)
    )
    return _write_stream(Path(path), head, "annotations", annotations)


def _write_stream(path: Path, head: dict[str, Any], key: str, items: Iterable[dict[str, Any]]) -> Path:
    """``head`` with one more key, whose items are written one by one, a line each."""
    encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
    with replacing(path) as scratch, scratch.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f'{encode(head)[:-1]},"{key}":[')
        for index, item in enumerate(items):
            file.write((",\n" if index else "\n") + encode(item))
        file.write("\n]}\n")
    return path


def _measured(labels: NDArray, table: pd.DataFrame | None) -> Iterator[tuple[int, list[Polygon], Measurements]]:
    """Every nucleus with its row of the table, in the order of their numbers."""
    if table is None:
        yield from ((label, parts, {}) for label, parts in polygons(labels))
        return
    for outlined, row in zip_longest(polygons(labels), table_rows(table)):
        if outlined is None or row is None or outlined[0] != row[0]:
            found, listed = (f"nucleus {each[0]}" if each else "no more nuclei" for each in (outlined, row))
            raise ParameterError(
                f"the labels hold {found} where the table lists {listed}: measure the very labels that are exported."
            )
        yield *outlined, row[1]


def table_rows(table: pd.DataFrame) -> Iterator[tuple[int, Measurements]]:
    """Rows in the order of their labels: the label, and the columns of numbers without it."""
    if "label" not in table.columns:
        raise ParameterError(
            f"the table's columns are {', '.join(map(str, table.columns)) or 'none'}: it needs one called label."
        )
    table = table.sort_values("label")
    numbers = table.drop(columns="label").select_dtypes(["number", "bool"])
    names = [str(name) for name in numbers.columns]
    for label, values in zip(table["label"], numbers.itertuples(index=False, name=None), strict=True):
        yield int(label), {name: _number(value) for name, value in zip(names, values, strict=True)}


def _number(value: Any) -> int | float | None:
    """A number of a table, in Python's own type; QuPath takes no booleans."""
    if value is pd.NA or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, int) else float(value)


def _roi(name: str, parts: list[Polygon]) -> ImagejRoi:
    rings = [ring for part in parts for ring in part.rings]
    corners = np.concatenate(rings)
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    roi = ImagejRoi(name=name, left=left, top=top, right=right, bottom=bottom)
    if len(rings) == 1 and max(right, bottom, len(corners)) <= _REACH:
        # Of type traced and not polygon: ImageJ knows that such an outline is made of pixel edges and measures its
        # perimeter along the diagonals; that of a polygon's stairs is a quarter too long.
        roi.roitype = ROI_TYPE.TRACED
        roi.integer_coordinates = corners - np.array([left, top], np.int32)
        roi.n_coordinates = len(corners)
    else:
        roi.roitype = ROI_TYPE.RECT  # what ImageJ wants to read in a composite, which is filled by the even-odd rule
        roi.multi_coordinates = np.concatenate([_path(ring) for ring in rings])
        roi.shape_roi_size = len(roi.multi_coordinates)
    return roi


def _path(ring: NDArray[np.int32]) -> NDArray[np.float32]:
    """A ring in the codes of java.awt.geom.PathIterator: 0 moves, 1 draws a line, 4 closes."""
    segments = np.ones((len(ring), 3), np.float32)
    segments[0, 0] = 0
    segments[:, 1:] = ring
    return np.append(segments, np.float32(4))


def geometry(parts: list[Polygon]) -> dict[str, Any]:
    """The polygons of one nucleus as GeoJSON has them; rings are closed."""
    shapes = [[np.concatenate([ring, ring[:1]]).tolist() for ring in part.rings] for part in parts]
    if len(shapes) == 1:
        return {"type": "Polygon", "coordinates": shapes[0]}
    return {"type": "MultiPolygon", "coordinates": shapes}


def _coco_shape(parts: list[Polygon], height: int, width: int) -> list[list[int]] | dict[str, list[int]]:
    if any(part.holes for part in parts):
        return {"size": [height, width], "counts": _runs(parts, height, width)}
    return [part.exterior.ravel().tolist() for part in parts]


def _runs(parts: list[Polygon], height: int, width: int) -> list[int]:
    """Lengths of the runs outside, inside, outside... down the columns, one column after the other."""
    crossings = []
    for ring in (ring for part in parts for ring in part.rings):
        (x, y), (next_x, next_y) = ring.astype(np.int64).T, np.roll(ring, -1, axis=0).astype(np.int64).T
        level = y == next_y  # where an edge runs along a row, the columns that it crosses begin or end a run
        first, count = np.minimum(x, next_x)[level], np.abs(x - next_x)[level]
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        crossings.append((np.repeat(first, count) + within) * height + np.repeat(y[level], count))
    # A run that ends at the foot of a column and one that begins at the next one's head are one run.
    places, times = np.unique(np.concatenate(crossings), return_counts=True)
    return np.diff(places[times == 1], prepend=0, append=height * width).tolist()


def _coco_box(parts: list[Polygon]) -> list[int]:
    corners = np.concatenate([part.exterior for part in parts])
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return [left, top, right - left, bottom - top]
