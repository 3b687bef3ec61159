"""Files, and zips of files, to the pictures in them."""

import lzma
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NoReturn

from segmentation import limits
from segmentation.errors import ImageReadError
from segmentation.picture_file import FORMATS, SUFFIXES
from segmentation.terminal import name_shown, printable

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # of a zip, and of one with nothing in it
_NESTED = frozenset({".zip", ".7z", ".rar", ".tar", ".tgz", ".gz", ".bz2", ".xz"})
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # bits of the flags (APPNOTE 4.4.4): encrypted, strongly so, masked headers
_LISTED = 10  # names in a note
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError, ValueError)


class Pictures(list[tuple[str, Path]]):
    """(name, path) of each picture.

    A name is what people know the picture by: a file's name, or "zip's name/folder/file's name" for one out of a zip.
    The path of the latter ends in the file's own name, so that messages of the readers name it.

    Attributes:
        notes: sentences on what was left out.
    """

    def __init__(self, pictures: Iterable[tuple[str, Path]] = (), notes: Iterable[str] = ()) -> None:
        super().__init__(pictures)
        self.notes = list(notes)


def is_zip(path: Path) -> bool:
    """Whether a file is, or by its name should be, a zip. A file that cannot be read is none."""
    try:
        with path.open("rb") as file:
            return file.read(4) in _MAGIC or path.suffix.lower() == ".zip"
    except OSError:
        return False


def expand(paths: Iterable[str | Path], folder: str | Path) -> Pictures:
    """Each file as it is, and for each zip the pictures in it, unpacked.

    Files are not looked into: whether they are pictures is for the reader to say. Of a zip's files those with a
    picture's suffix are unpacked, in the order of their names; hidden ones and ``__MACOSX`` are ignored, and others are
    left out with a note.

    Args:
        paths: files.
        folder: for the pictures out of zips, made if need be: each zip's go into a new folder inside, and nothing that
            is there is touched.

    Raises:
        ImageReadError: for a zip that is damaged, encrypted, holds no picture or another archive, is over one of
            ``limits``, or whose names or links lead out of it. Nothing of such a zip stays in ``folder``.
    """
    found = Pictures()
    for path in map(Path, paths):
        if is_zip(path):
            pictures = _unpack(path, Path(folder))
            found += pictures
            found.notes += pictures.notes
        else:
            found.append((path.name, path))
    return found


def _unpack(path: Path, folder: Path) -> Pictures:
    try:
        with zipfile.ZipFile(path) as archive:
            members, others = _choose(archive.infolist(), path)
            _check_amount(members, path)
            folder.mkdir(parents=True, exist_ok=True)
            inside = Path(tempfile.mkdtemp(prefix="zip-", dir=folder))
            try:
                pictures = [
                    (_spoken(member, path), _extract(archive, member, inside / f"{number:05d}"))
                    for number, member in enumerate(members)
                ]
            except BaseException:
                shutil.rmtree(inside, ignore_errors=True)
                raise
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ImageReadError(
            f"{path.name}: the zip cannot be unpacked ({reason}); zip the pictures again, or give them as they are."
        ) from error
    return Pictures(pictures, [_left_out(others, path)] if others else [])


def _choose(infos: list[zipfile.ZipInfo], path: Path) -> tuple[list[zipfile.ZipInfo], list[str]]:
    """The pictures, sorted by name, and the names of what is none; what may do harm is refused."""
    most = limits.limits().members
    if len(infos) > most:
        _refuse(path, f"holds {len(infos):,} files and the limit is {most:,}", "split it")
    members, others = [], []
    for info in sorted(infos, key=lambda info: info.filename):
        name = _posix(info)
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or re.match("[A-Za-z]:", name):
            _refuse(path, f"holds a file {name[:80]!r}, which leads out of it", "zip the pictures again")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            _refuse(path, f"holds a link or device {name[:80]!r}", "zip the pictures themselves")
        if name.endswith("/") or not parts or any(part.startswith(".") or part == "__MACOSX" for part in parts):
            continue
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in _NESTED:
            _refuse(path, f"holds another archive, {name[:80]!r}", "unpack that and give its pictures")
        if info.flag_bits & _ENCRYPTED:
            _refuse(path, f"is encrypted ({name[:80]!r} needs a password)", "unpack it and give its pictures")
        if suffix in SUFFIXES:
            members.append(info)
        else:
            others.append(name)
    if not members:
        listed = f" but {', '.join(map(name_shown, others[:3]))}" if others else ""
        _refuse(path, f"holds no picture{listed}", f"zip {FORMATS} files")
    return members, others


def _check_amount(members: list[zipfile.ZipInfo], path: Path) -> None:
    # zipfile unpacks no more of a member than is declared here. The bytes that members claim to take in the zip say
    # nothing: they may overlap.
    total, packed = sum(info.file_size for info in members), max(path.stat().st_size, 1)
    allowed = limits.limits()
    if total > allowed.unpacked:
        _refuse(
            path,
            f"holds {total / 2**30:,.1f} GiB of pictures and the limit is {allowed.unpacked / 2**30:,.0f} GiB",
            "split it",
        )
    if total > limits.FREE_RATIO and total > packed * allowed.ratio:
        _refuse(
            path,
            f"unpacks to {total / packed:,.0f} times its size and the limit is {allowed.ratio}",
            "give the pictures as they are",
        )


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> Path:
    name = PurePosixPath(_posix(member))
    kept = "".join(letter if letter.isalnum() or letter in " -_.()" else "_" for letter in name.stem)[:100]
    folder.mkdir()
    target = folder / f"{kept}{name.suffix}"
    with archive.open(member) as packed, target.open("xb") as file:
        shutil.copyfileobj(packed, file, 2**20)
    return target


def _posix(info: zipfile.ZipInfo) -> str:
    return printable(info.filename.replace("\\", "/"), "_")  # as old programs for Windows write it


def _spoken(member: zipfile.ZipInfo, path: Path) -> str:
    name = name_shown(_posix(member))
    return name if name.startswith(f"{path.stem}/") else f"{path.stem}/{name}"


def _left_out(others: list[str], path: Path) -> str:
    listed = ", ".join(map(name_shown, others[:_LISTED])) + (
        f" and {len(others) - _LISTED:,} more" if len(others) > _LISTED else ""
    )
    return f"{path.name}: files that are no pictures were left out: {listed}."


def _refuse(path: Path, what: str, cure: str) -> NoReturn:
    raise ImageReadError(f"{path.name}: the zip {what}; {cure}.")
