"""Everything to take home of one picture: labels, overlay, shapes, measurements and the record of the run."""

import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pandas as pd

from segmentation.atomic import replacing
from segmentation.errors import ParameterError
from segmentation.pixel_size import PixelSize
from segmentation.run_record import run_record, write_run
from segmentation.segmenter import Segmentation
from segmentation.shape_files import write_coco, write_geojson, write_rois
from segmentation.spreadsheet import spreadsheet_safe
from segmentation.svg_overlay import write_svg
from segmentation.writers import free_name, save, write_labels, write_labels_npy, write_labels_png, write_overlay

__all__ = [
    "DEFAULT_FORMATS",
    "FORMATS",
    "Format",
    "run_record",
    "spreadsheet_safe",
    "write_all",
    "write_coco",
    "write_geojson",
    "write_rois",
    "write_run",
    "write_svg",
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
        "_labels.tif", "Label image (OME-TIFF): every pixel holds the number of its nucleus, 0 the background"
    ),
    "npy": Format("_labels.npy", "Label image for Python (NumPy)"),
    "png": Format("_labels.png", "Label image for the eye: each nucleus in a colour, on black (PNG)"),
    "overlay": Format("_overlay.png", "The picture with the outlines drawn on it (PNG)"),
    "svg": Format("_overlay.svg", "The picture and each outline as a path, for Inkscape and figures (SVG)"),
    "csv": Format("_nuclei.csv", "Measurements, a row for each nucleus (CSV, for Excel, R or pandas)"),
    "rois": Format("_rois.zip", "Outlines for the ROI Manager of ImageJ and Fiji (zip)"),
    "geojson": Format("_nuclei.geojson", "Outlines and measurements as QuPath detections (GeoJSON)"),
    "coco": Format("_coco.json", "Outlines and measurements for training other networks (COCO JSON)"),
    "run": Format("_run.json", "Model, settings and versions, to make the result again (JSON)"),
}
DEFAULT_FORMATS = ("labels", "overlay", "csv", "rois", "run")  # what most people want; the others are for some
_PACKED = frozenset({".tif", ".png", ".zip"})  # deflated already
_CHUNK = 1000  # rows of a table turned into text together


def write_table(path: str | Path, table: pd.DataFrame) -> Path:
    """Measurements as CSV in UTF-8: commas between values, points in numbers, empty where a value is missing.

    Numbers have all the digits that give them back exactly. Text, names of columns included, goes through
    :func:`spreadsheet_safe`, and otherwise comes back as it was. Excel takes a CSV for text of the system's old code
    page unless a byte order mark says that it is UTF-8, and some other programs take the mark for a part of the first
    column's name: it is written only where a letter beyond ASCII needs it.

    Raises:
        OSError: if the file cannot be written.
    """
    safe = table.copy(deep=False)
    safe.columns = pd.Index([spreadsheet_safe(str(name)) for name in table.columns])
    texts = [index for index, kind in enumerate(table.dtypes) if kind.kind not in "biuf"]
    for index in texts:
        safe.isetitem(index, table.iloc[:, index].map(spreadsheet_safe))
    words = [*safe.columns, *(str(value) for index in texts for value in safe.iloc[:, index])]
    ascii_ = all(map(str.isascii, words))
    # Python's csv knows only the end of its own lines; others end lines at a carriage return as well.
    returns = any("\r" in word for word in words)

    def write(scratch: Path) -> None:
        safe.to_csv(
            scratch,
            index=False,
            lineterminator="\n",
            chunksize=_CHUNK,
            quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL,
            encoding="utf-8" if ascii_ else "utf-8-sig",
            errors="backslashreplace",  # names of files may hold bytes that are no text
        )

    return save(path, write)


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
        record: see :func:`segmentation.run_record.run_record`; its pixel size goes into the files that hold one.
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
    size = record["picture"]["pixel_size_um"]
    pixel_size = PixelSize(**size) if size else None
    writers: dict[str, Callable[[Path], object]] = {
        "labels": lambda path: write_labels(path, result.labels, pixel_size),
        "npy": lambda path: write_labels_npy(path, result.labels),
        "png": lambda path: write_labels_png(path, result.labels),
        "overlay": lambda path: write_overlay(path, result),
        "svg": lambda path: write_svg(path, result, pixel_size),
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
        paths.append(save(folder / f"{stem}{FORMATS[key].suffix}", writers[key]))
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
