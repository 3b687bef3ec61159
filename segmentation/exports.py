"""Everything to take home of one picture: labels, overlay, shapes, measurements and the record of the run."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pandas as pd

from segmentation.atomic import replacing
from segmentation.errors import ParameterError
from segmentation.run_record import run_record, write_run
from segmentation.segmenter import Segmentation
from segmentation.shape_files import write_coco, write_geojson, write_rois
from segmentation.writers import free_name, write_labels, write_overlay

__all__ = [
    "FORMATS",
    "Format",
    "run_record",
    "write_all",
    "write_coco",
    "write_geojson",
    "write_rois",
    "write_run",
    "write_table",
    "zip_folder",
]


class Format(NamedTuple):
    """A kind of file.

    Attributes:
        suffix: what follows the picture's name.
        description: a line for people who choose.
    """

    suffix: str
    description: str


FORMATS: dict[str, Format] = {
    "labels": Format(
        "_labels.tif", "Label image (TIFF): every pixel holds the number of its nucleus, 0 the background"
    ),
    "overlay": Format("_overlay.png", "The picture with the outlines drawn on it (PNG)"),
    "csv": Format("_nuclei.csv", "Measurements, a row for each nucleus (CSV, for Excel, R or pandas)"),
    "rois": Format("_rois.zip", "Outlines for the ROI Manager of ImageJ and Fiji (zip)"),
    "geojson": Format("_nuclei.geojson", "Outlines and measurements as QuPath detections (GeoJSON)"),
    "coco": Format("_coco.json", "Outlines and measurements for training other networks (COCO JSON)"),
    "run": Format("_run.json", "Model, settings and versions, to make the result again (JSON)"),
}
_PACKED = frozenset({".tif", ".png", ".zip"})  # deflated already


def write_table(path: str | Path, table: pd.DataFrame) -> Path:
    """Measurements as CSV in UTF-8: commas between values, points in numbers, empty where a value is missing.

    Numbers have all the digits that give them back exactly. Excel takes a CSV for text of the system's old code page
    unless a byte order mark says that it is UTF-8, and some other programs take the mark for a part of the first
    column's name: it is written only where a letter beyond ASCII needs it.

    Raises:
        OSError: if the file cannot be written.
    """
    path = Path(path)
    text = table.to_csv(index=False, lineterminator="\n")
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8" if text.isascii() else "utf-8-sig", newline="\n")
    return path


def write_all(
    folder: str | Path,
    stem: str,
    result: Segmentation,
    table: pd.DataFrame,
    record: Mapping[str, Any],
    formats: Iterable[str] = tuple(FORMATS),
) -> list[Path]:
    """Write ``stem`` + suffix into a folder, for each of the formats; each file appears whole or not at all.

    Args:
        folder: made if it does not exist.
        stem: as from :func:`segmentation.writers.free_name`.
        result: the nuclei.
        table: their measurements: a row for each, found by the column ``label``.
        record: see :func:`segmentation.run_record.run_record`.
        formats: keys of ``FORMATS``.

    Returns:
        The files, in the order of the formats.

    Raises:
        ParameterError: for a format that does not exist, or a table of other nuclei.
        OSError: if a file cannot be written.
    """
    formats = list(formats)
    if unknown := [key for key in formats if key not in FORMATS]:
        raise ParameterError(f"format {unknown[0]!r} does not exist; choose from {', '.join(FORMATS)}.")
    writers: dict[str, Callable[[Path], object]] = {
        "labels": lambda path: write_labels(path, result.labels),
        "overlay": lambda path: write_overlay(path, result),
        "csv": lambda path: write_table(path, table),
        "rois": lambda path: write_rois(path, result.labels),
        "geojson": lambda path: write_geojson(path, result.labels, table),
        "coco": lambda path: write_coco(path, result.labels, record["picture"]["file_name"], table),
        "run": lambda path: write_run(path, record),
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for key in formats:
        path = folder / f"{stem}{FORMATS[key].suffix}"
        with replacing(path) as scratch:  # not every writer does so by itself
            writers[key](scratch)
        paths.append(path)
    return paths


def zip_folder(paths: Iterable[str | Path], destination: str | Path) -> Path:
    """One zip of files from any folders, side by side in it; a number tells apart those of the same name.

    Raises:
        OSError: if a file cannot be read or the zip cannot be written.
    """
    destination = Path(destination)
    taken: dict[str, set[str]] = {}
    with replacing(destination) as scratch, ZipFile(scratch, "w") as archive:
        for path in map(Path, paths):
            suffix = path.suffix.lower()
            name = free_name(path.stem, taken.setdefault(suffix, set())) + suffix
            archive.write(path, name, ZIP_STORED if suffix in _PACKED else ZIP_DEFLATED)
    return destination
