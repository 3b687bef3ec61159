"""What a batch segments: files, folders, patterns and zips -> one :class:`Task` for each file, in one fixed order."""

import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from segmentation.errors import ImageReadError, NucleoscopeError
from segmentation.picture_file import SUFFIXES
from segmentation.picture_sources import expand

MARK = ".nucleoscope-results"  # a file in every folder of results: searches pass such a folder by
_PART = re.compile(r"(_max|_mean)?(_page\d+)?$")  # what reading adds to a file's name


class FoundFile(NamedTuple):
    """A file among the inputs.

    Attributes:
        path: where it lies.
        place: where its results go, below the output folder: "plate1/A01.tif".
    """

    path: Path
    place: str


@dataclass(frozen=True)
class Task:
    """One file to segment.

    Attributes:
        index: its place in the run, counted from 0.
        name: what people know it by: its path, or a zip's name and the path inside.
        path: of the file.
        stem: of its results, below the output folder, unlike that of any other task: "plate1/A01".
        problem: why it cannot be segmented, if that is known before it is opened; else empty.
    """

    index: int
    name: str
    path: Path
    stem: str
    problem: str = ""


def find_files(sources: Iterable[str | Path], out: Path | None = None) -> list[FoundFile]:
    """Files as named, those that a pattern matches, and the pictures in folders and their folders, sorted by path.

    Folders are searched for what has a picture's suffix; hidden files and folders, and results of earlier runs, are
    passed by. What lies in folders keeps its folders in the results; with several folders named, theirs too.

    Args:
        sources: files, folders, or patterns with ``*``, ``?``, ``[...]`` and ``**``.
        out: folder of the results, which is never searched.

    Raises:
        ImageReadError: for a path that does not exist, a pattern that nothing matches, a folder without pictures, or
            one that cannot be listed.
    """
    named = [str(source) for source in sources]
    several = sum(map(os.path.isdir, named)) > 1
    found: dict[Path, str] = {}
    for source in named:
        path = Path(source)
        if path.is_dir():
            files = _in_folder(path, out, path.resolve().name if several else "")
        elif path.exists():
            files = [FoundFile(path, path.name)]
        elif glob.has_magic(source):
            files = _matching(source, out)
        else:
            raise ImageReadError(f"{source}: no such file or folder; check the path.")
        for each in files:
            found.setdefault(*each)
    return [FoundFile(*item) for item in found.items()]


def plan(files: Iterable[FoundFile], scratch: Path) -> tuple[list[Task], list[str]]:
    """One task for each file, and for each picture in a zip; and notes on what was left out.

    The same files give the same tasks in every process. A zip that cannot be unpacked becomes a task with a problem.

    Args:
        files: of :func:`find_files`.
        scratch: folder for the pictures out of zips, made if need be.
    """
    rows: list[tuple[str, Path, str, str]] = []
    notes: list[str] = []
    for path, place in files:
        if path.suffix.lower() != ".zip":
            rows.append((encodable(path), path, place, ""))
            continue
        try:
            pictures = expand([path], scratch)
        except NucleoscopeError as error:
            rows.append((encodable(path), path, place, str(error)))
            continue
        above = PurePosixPath(place).parent
        rows += [(encodable(path.parent / name), member, str(above / name), "") for name, member in pictures]
        notes += pictures.notes
    stems = _stems([place for _, _, place, _ in rows])
    return [
        Task(index, name, path, stem, problem)
        for index, ((name, path, _, problem), stem) in enumerate(zip(rows, stems, strict=True))
    ], notes


def mark_results(out: Path) -> None:
    """Make a folder for results, and mark it as one.

    Raises:
        OSError: if it cannot be made or written to.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / MARK).touch()


def encodable(text: str | Path) -> str:
    """Text without what no encoding knows, such as the bytes of a file's name that are no UTF-8."""
    return str(text).encode("utf-8", "replace").decode()


def _in_folder(root: Path, out: Path | None, prefix: str) -> list[FoundFile]:
    found = [
        FoundFile(path, str(PurePosixPath(prefix) / path.relative_to(root).as_posix())) for path in _walk(root, out)
    ]
    if not found:
        raise ImageReadError(f"{root}: no pictures in this folder; name one that holds some.")
    return found


def _walk(root: Path, out: Path | None) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise ImageReadError(f"{error.filename}: the folder cannot be listed ({error.strerror}); check its rights.")

    results = out.resolve() if out else None
    seen = set()  # a link to a folder above would never end
    paths = []
    for folder, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        here = Path(folder)
        real = here.resolve()
        if real in seen or (here != root and MARK in names) or real == results:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [here / name for name in names if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")]
    yield from sorted(paths)


def _matching(pattern: str, out: Path | None) -> list[FoundFile]:
    parts = Path(pattern).parts
    fixed = Path(*(parts[: next(i for i, part in enumerate(parts) if glob.has_magic(part))]))
    found: list[FoundFile] = []
    results = out.resolve() if out else None
    marked = cache(lambda folder: folder == results or (folder / MARK).exists())
    for path in map(Path, sorted(glob.glob(pattern, recursive=True))):
        place = path.relative_to(fixed).as_posix() if path != fixed else path.name
        if any(marked(folder) for folder in path.resolve().parents):
            continue
        if path.is_file():
            found.append(FoundFile(path, place))
        elif path.is_dir() and "**" not in parts:  # which names the files in folders by itself
            found += [
                FoundFile(inside, f"{place}/{inside.relative_to(path).as_posix()}") for inside in _walk(path, out)
            ]
    if not found:
        raise ImageReadError(f"{pattern}: no file matches this pattern; check it, and put it in quotes.")
    return found


def _stems(places: list[str]) -> list[str]:
    """Names for results: safe on every system, and never the same, also when files turn out to have pages."""
    wanted = ["/".join([*map(_safe, PurePosixPath(p).parts[:-1]), _safe(PurePosixPath(p).stem)]) for p in places]
    known = {stem.lower() for stem in wanted}  # some file systems ignore case
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    stems = []
    for stem in wanted:
        key = stem.lower()
        candidate = stem
        while candidate.lower() in taken or (candidate == stem and _may_be_a_part(key, known)):
            numbers[key] = numbers.get(key, 1) + 1
            candidate = f"{stem}_{numbers[key]}"
        taken.add(candidate.lower())
        stems.append(candidate)
    return stems


def _may_be_a_part(stem: str, known: set[str]) -> bool:
    """Whether a page or a projection of another file could be called so."""
    match = _PART.search(stem)
    assert match is not None  # the pattern matches nothing too
    heads = {stem[: match.start()], stem[: match.start(2)] if match[2] else stem}
    return any(head != stem and head in known for head in heads)


def _safe(part: str) -> str:
    kept = "".join(letter if letter.isalnum() or letter in " -_.()" else "_" for letter in part)
    return kept[:150].strip(" .") or "picture"
