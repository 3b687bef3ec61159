"""What became of each file of a batch, kept on disk while the batch runs, and the table of it all in the end."""

import csv
import json
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TextIO

from segmentation.spreadsheet import spreadsheet_safe
from segmentation.writers import save

SUMMARY = "summary.csv"


@dataclass  # not frozen: Lightning copies what predict_step returns, field by field
class Page:
    """One picture of a file, segmented.

    Attributes:
        image: stem of its results, below the output folder.
        nuclei: how many.
        width_px: of the picture, in pixels.
        height_px: of the picture, in pixels.
        density_per_mm2: nuclei a square millimetre; None where the file states no pixel size.
        density_per_megapixel: nuclei a million pixels.
        median_area_um2: of the nuclei, in square micrometres; None without nuclei or pixel size.
        median_area_px: of the nuclei, in pixels; None without nuclei.
        seconds: of network and decoding.
        notes: sentences on what was decided while reading.
    """

    image: str
    nuclei: int
    width_px: int
    height_px: int
    density_per_mm2: float | None
    density_per_megapixel: float
    median_area_um2: float | None
    median_area_px: float | None
    seconds: float
    notes: str


@dataclass
class Outcome:
    """What became of one file.

    Attributes:
        index: of its task.
        name: what people know it by.
        stem: of its results.
        pages: what was segmented, in order.
        error: one sentence if the file failed, else empty; pages before the fault are there all the same.
        skipped: whether all of it was done by an earlier run.
        understood: what the file holds, in one line; empty if skipped.
        notes: sentences on what was decided while reading.
        parts: seconds of its parts: read, segment, measure, write.
    """

    index: int
    name: str
    stem: str
    pages: tuple[Page, ...] = ()
    error: str = ""
    skipped: bool = False
    understood: str = ""
    notes: tuple[str, ...] = ()
    parts: dict[str, float] = field(default_factory=dict)


@dataclass
class Totals:
    """Of a batch.

    Attributes:
        files: that were to be done.
        finished: of them, without an error.
        failed: of them, with one.
        skipped: of those finished, by an earlier run.
        pictures: in all of them, pages counted one by one.
        nuclei: in those.
    """

    files: int = 0
    finished: int = 0
    failed: int = 0
    skipped: int = 0
    pictures: int = 0
    nuclei: int = 0


class Journal:
    """Outcomes as lines of a file, so that a million of them need no memory and a killed process loses none.

    Args:
        path: of the file, which is made anew.
    """

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("w", encoding="utf-8")

    def add(self, outcome: Outcome) -> None:
        """Note one outcome."""
        self._file.write(json.dumps(asdict(outcome)) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Nothing more is coming."""
        self._file.close()


class Results:
    """Outcomes of one or several journals in the order of their tasks, as often as they are gone through.

    Args:
        journals: their files; none of them may grow any more.
        files: tasks of the batch.
    """

    def __init__(self, journals: Iterable[Path], files: int) -> None:
        self._paths = list(journals)
        self._where = array("q", [-1] * files)  # offset in its journal, and which: 12 bytes a file
        self._which = array("i", [0] * files)
        self.totals = Totals(files)
        self.ascii = True
        for number, path in enumerate(self._paths):
            with path.open("rb") as file:
                offset = 0
                for line in file:
                    if line.endswith(b"\n"):  # a killed process may leave half a line
                        outcome = _read(line)
                        self._where[outcome.index], self._which[outcome.index] = offset, number
                        self._count(outcome)
                    offset += len(line)

    def _count(self, outcome: Outcome) -> None:
        self.totals.finished += not outcome.error
        self.totals.failed += bool(outcome.error)
        self.totals.skipped += outcome.skipped
        self.totals.pictures += len(outcome.pages)
        self.totals.nuclei += sum(page.nuclei for page in outcome.pages)
        texts = (outcome.name, outcome.stem, outcome.error, *(page.notes for page in outcome.pages))
        self.ascii &= all(text.isascii() for text in texts)

    def __iter__(self) -> Iterator[Outcome]:
        files = [path.open("rb") for path in self._paths]
        try:
            for offset, number in zip(self._where, self._which, strict=True):
                if offset >= 0:
                    files[number].seek(offset)
                    yield _read(files[number].readline())
        finally:
            for file in files:
                file.close()


def write_summary(path: Path, results: Results) -> Path:
    """``summary.csv``: a row for each picture, and for each file that failed one with the sentence that says why.

    Text that a spreadsheet would take for a formula (it begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage
    return) gets an apostrophe before it, as OWASP advises; numbers stay numbers, with all the digits that give them
    back exactly. UTF-8, with a byte order mark only where Excel needs it: beyond ASCII.

    Raises:
        OSError: if the file cannot be written.
    """
    names = [each.name for each in fields(Page)]

    def write(scratch: Path) -> None:
        with scratch.open("w", newline="", encoding="utf-8" if results.ascii else "utf-8-sig") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow([*names, "error", "file"])
            for outcome in results:
                for page in outcome.pages:
                    table.writerow([*map(_cell, asdict(page).values()), "", _cell(outcome.name)])
                if outcome.error:
                    blank = [""] * (len(names) - 1)
                    table.writerow([_cell(outcome.stem), *blank, _cell(outcome.error), _cell(outcome.name)])

    return save(path, write)


def count_of(number: int, word: str) -> str:
    """``1 nucleus``, ``1,234 nuclei``."""
    if number == 1:
        return f"1 {word}"
    return f"{number:,} {'nuclei' if word == 'nucleus' else f'{word}s'}"


def _cell(value: str | float | None) -> str | float | None:
    if not isinstance(value, str):
        return value
    line = " ".join(value.splitlines()) if "\n" in value else value
    return str(spreadsheet_safe(line))


def _read(line: bytes) -> Outcome:
    values = json.loads(line)
    values["pages"] = tuple(Page(**page) for page in values["pages"])
    values["notes"] = tuple(values["notes"])
    return Outcome(**values)
