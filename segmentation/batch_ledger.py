"""What earlier runs left in an output folder, by the ``run.json`` of each picture."""

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from segmentation.batch_outcome import Page
from segmentation.exports import FORMATS

THUMBNAILS = "thumbnails"  # folder of the contact sheet's pictures
RUN = FORMATS["run"].suffix
_PART = re.compile(r"(_[a-z]+)?(_page\d+)?")  # what reading adds to a file's name: a projection, a page


class Entry(NamedTuple):
    """One picture that an earlier run segmented.

    Attributes:
        page: its row of the summary.
        part: its place in its file, counted from 1.
        last: whether its file holds no further picture.
        made_with: digests of the file and of all that has an influence on the result.
        formats: what was written.
    """

    page: Page
    part: int
    last: bool
    made_with: tuple[str, str]
    formats: tuple[str, ...]


def noted(
    record: Mapping[str, Any], stem: str, page: Page, part: int, last: bool, settings: str, formats: Iterable[str]
) -> dict[str, Any]:
    """A ``run.json`` record with what :class:`Ledger` reads back in ``batch``."""
    batch = {
        "file": stem,
        "part": part,
        "last": last,
        "settings": settings,
        "formats": list(formats),
        "row": asdict(page),
    }
    return {**record, "batch": batch}


class Ledger:
    """Looks up what is done.

    Args:
        out: the output folder.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._names: dict[Path, list[str]] = {}  # a folder is listed once; a run does no file twice

    def entries(self, stem: str) -> list[Entry]:
        """What there is of a file, in order; nothing where a record cannot be read."""
        place = self._out / stem
        names = self._listed(place.parent)
        found = []
        for name in names[bisect_left(names, place.name) :]:
            if not name.startswith(place.name):
                break
            if _PART.fullmatch(name[len(place.name) : -len(RUN)]):
                entry = _entry(place.parent / name, stem)
                if entry is not None:
                    found.append(entry)
        return sorted(found, key=lambda entry: entry.part)

    def finished(self, entries: list[Entry], made_with: tuple[str, str], formats: Iterable[str]) -> bool:
        """Whether all of a file is there, made of the same picture in the same way, with all these formats."""
        places = [(entry.part, entry.last) for entry in entries]
        if not entries or places != [(part, part == len(entries)) for part in range(1, len(entries) + 1)]:
            return False
        return all(entry.made_with == made_with for entry in entries) and all(
            path.is_file() for entry in entries for path in self.files(entry, formats)
        )

    def files(self, entry: Entry, formats: Iterable[str]) -> list[Path]:
        """The files of a picture in these formats, and its thumbnail; its record is not among them."""
        suffixes = [FORMATS[key].suffix for key in formats if key in FORMATS]
        return [*(self._out / f"{entry.page.image}{suffix}" for suffix in suffixes), self.thumbnail(entry.page.image)]

    def thumbnail(self, image: str) -> Path:
        """Where a picture's thumbnail lies."""
        return self._out / THUMBNAILS / f"{image}.jpg"

    def remove_left_over(self, entries: list[Entry], images: Iterable[str]) -> None:
        """Take away the results of pages that their file no longer has, and their records last.

        A run that is killed meanwhile leaves records that fit no file; the next one does the file again, and this too.
        """
        kept = set(images)
        for entry in entries:
            if entry.page.image not in kept:
                for path in [*self.files(entry, entry.formats), self._out / f"{entry.page.image}{RUN}"]:
                    path.unlink(missing_ok=True)

    def _listed(self, folder: Path) -> list[str]:
        if folder not in self._names:
            try:
                self._names[folder] = sorted(p.name for p in folder.iterdir() if p.name.endswith(RUN))
            except OSError:
                self._names[folder] = []
        return self._names[folder]


def _entry(path: Path, stem: str) -> Entry | None:
    """One record; None if it is damaged, or no batch made it, or of another file."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        batch = record["batch"]
        if batch["file"] != stem:
            return None
        digests = (str(record["picture"]["sha256"]), str(batch["settings"]))
        return Entry(Page(**batch["row"]), int(batch["part"]), bool(batch["last"]), digests, tuple(batch["formats"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
