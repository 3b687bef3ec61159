"""A zip file or a folder, read alike."""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from segmentation.errors import DataError


@dataclass(frozen=True)
class ArchiveMember:
    """A file inside; ``stamp`` changes when its content does."""

    name: str
    stamp: str


@dataclass(frozen=True)
class Members:
    """The files inside, sorted by name, and the function that reads one."""

    listing: list[ArchiveMember]
    read: Callable[[ArchiveMember], bytes]


@contextmanager
def open_members(root: Path) -> Iterator[Members]:
    """Open a zip or a folder for reading.

    Raises:
        DataError: if ``root`` is neither, or a member is damaged.
    """
    if root.is_dir():
        files = sorted(path for path in root.rglob("*") if path.is_file())
        listing = [
            ArchiveMember(f.relative_to(root).as_posix(), f"{f.stat().st_size}-{f.stat().st_mtime_ns}") for f in files
        ]
        yield Members(listing, lambda member: (root / member.name).read_bytes())
        return
    if not root.is_file():
        raise DataError(f"{root}: no such zip file or folder; name the archive or its unpacked folder.")
    try:
        archive = zipfile.ZipFile(root)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{root}: not a whole zip file ({error}); download it again.") from error
    with archive:
        infos = sorted((info for info in archive.infolist() if not info.is_dir()), key=lambda info: info.filename)

        def read(member: ArchiveMember) -> bytes:
            try:
                return archive.read(member.name)
            except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
                # RuntimeError: encrypted, or packed by a method that Python does not know
                raise DataError(
                    f"{root}: {member.name} cannot be unpacked ({error}); download the archive again."
                ) from error

        yield Members([ArchiveMember(info.filename, f"{info.CRC:08x}-{info.file_size}") for info in infos], read)
