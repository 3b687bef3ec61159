"""Measurements (CSV) and outlines (GeoJSON) of a slide's nuclei, written as they come, by rising number."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.atomic import replacing
from segmentation.polygons import Polygon
from segmentation.shape_files import CLASS, geometry, table_rows
from segmentation.spreadsheet import spreadsheet_safe

_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class NucleiFiles:
    """Both files, whole at the end of the ``with`` block or not at all.

    They are, byte for byte, what :func:`segmentation.exports.write_table` and
    :func:`segmentation.shape_files.write_geojson` write of all nuclei together.

    Args:
        table: path of the CSV, or None for none.
        outlines: path of the GeoJSON, or None for none.
        columns: a table without rows, for the names of the columns.
        order: numbers of the nuclei, in the order in which they are to be written.
    """

    def __init__(
        self, table: Path | None, outlines: Path | None, columns: pd.DataFrame, order: NDArray[np.integer]
    ) -> None:
        self._paths, self._columns, self._order = (table, outlines), columns, order
        self._written = 0
        self._waiting: dict[int, tuple[str, str]] = {}  # lines of nuclei that end before others of lower numbers
        self._stack = ExitStack()
        self._table: TextIO | None = None
        self._outlines: TextIO | None = None

    def __enter__(self) -> Self:
        with self._stack:
            table, outlines = (
                None if path is None else self._stack.enter_context(replacing(path)) for path in self._paths
            )
            if table is not None:
                ascii_ = all(str(name).isascii() for name in self._columns.columns)
                encoding = "utf-8" if ascii_ else "utf-8-sig"
                self._table = self._stack.enter_context(table.open("w", encoding=encoding, newline=""))
                header = self._columns.rename(columns=lambda name: spreadsheet_safe(str(name)))
                header.iloc[:0].to_csv(self._table, index=False, lineterminator="\n")
            if outlines is not None:
                self._outlines = self._stack.enter_context(outlines.open("w", encoding="utf-8", newline="\n"))
                self._outlines.write('{"type":"FeatureCollection","features":[')
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._stack:
            if kind is not None:
                self._stack.__exit__(kind, error, traceback)
                return
            if self._outlines is not None:
                self._outlines.write("\n]}\n")

    @property
    def wants_outlines(self) -> bool:
        """Whether there is a file for outlines."""
        return self._outlines is not None

    def add(self, rows: pd.DataFrame, outlines: Iterator[tuple[int, list[Polygon]]], step: int = 1) -> None:
        """Take nuclei.

        Args:
            rows: their measurements, by rising label.
            outlines: their outlines, in the same order; not looked at if there is no file for them.
            step: of the grid that the outlines run along, in pixels.
        """
        text = rows.to_csv(index=False, header=False, lineterminator="\n").splitlines(keepends=True)
        for line, (label, measured) in zip(text, table_rows(rows), strict=True):
            feature = ""
            if self._outlines is not None:
                number, parts = next(outlines)
                assert number == label
                values = {name: value for name, value in measured.items() if value is not None}
                feature = _ENCODE(
                    {
                        "type": "Feature",
                        "geometry": geometry(parts),
                        "properties": {
                            "objectType": "detection",
                            "name": str(label),
                            "classification": CLASS,
                            "measurements": values if step == 1 else {**values, "outline_step_px": step},
                        },
                    }
                )
            self._waiting[label] = line, feature
        self._write()

    def _write(self) -> None:
        while self._written < len(self._order):
            lines = self._waiting.pop(int(self._order[self._written]), None)
            if lines is None:
                return
            if self._table is not None:
                self._table.write(lines[0])
            if self._outlines is not None:
                self._outlines.write((",\n" if self._written else "\n") + lines[1])
            self._written += 1
