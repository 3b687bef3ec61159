"""Files and folders that appear whole or not at all, also where a process is killed, the power fails or a disk is full.

What is being written has a name of its own, ``.MACHINE-PROCESS.BEGAN-RANDOM.part``, beside the place that it is for. It
is on the disk before it gets its name, and its name is on the disk before anything that is written later. A process
that is killed leaves such a file or folder behind: the next one that writes into the same folder removes it, for its
name tells that its writer is dead. What another computer wrote is left alone until nobody has touched it for a day.
"""

import ctypes
import errno
import logging
import os
import platform
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path

from segmentation.processes import is_gone, own_name

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})  # with these, no other file can be written either
UNTOUCHED_S = 24 * 3600  # after which nobody writes any more
_NAME = re.compile(r"\.([0-9a-f]{8})-(\d+)(?:\.(\d+))?-[0-9a-f]{12}\.part")
_PROBE = 2**16  # bytes; more than any writer sends at once while it has room
_EXCHANGE = 2  # RENAME_EXCHANGE of Linux's renameat2(2)
_HERE = -100  # AT_FDCWD: relative to the working folder
_log = logging.getLogger(__name__)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to: what is there in the end takes ``path``'s place in one step.

    If anything fails in between, an older file at ``path`` stays as it was and nothing else is left behind. What the
    system could not do is told of ``path``, not of the name beside it; a full disk is told as one, also where the
    library that wrote says only that it could not.
    """
    _tidy_once(os.path.abspath(path.parent))
    scratch = scratch_beside(path)
    try:
        yield scratch
        _keep(scratch)
        os.replace(scratch, path)
        _keep_names(path.parent)
    except OSError as error:
        reason = _reason(error, path.parent)
        if reason.errno is not None and (reason.filename is None or Path(reason.filename) == scratch):
            reason.filename, reason.filename2 = str(path), None
        if reason is error:
            raise
        raise reason from error
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to fill, which then takes the place of ``folder`` and of what is there, in one step.

    If anything fails in between, an older folder stays as it was and nothing else is left behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _tidy_once(os.path.abspath(folder.parent))
    scratch = scratch_beside(folder)
    try:
        scratch.mkdir(mode=0o700)
        fresh = scratch / "fresh"  # the scratch folder itself is private; what is written may be served
        fresh.mkdir()
        yield fresh
        _keep_folder(fresh)
        _put_in_place(fresh, folder)
        _keep_names(folder.parent)
    except OSError as error:
        reason = _reason(error, folder.parent)
        if reason is error:
            raise
        raise reason from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder where the system keeps such, private and gone at the end.

    What killed processes of ours left there goes at the beginning; nothing else would ever remove it.
    """
    place = Path(tempfile.gettempdir())
    _tidy_once(os.path.abspath(place))
    scratch = scratch_beside(place / "pictures")
    scratch.mkdir(mode=0o700)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def scratch_beside(path: Path) -> Path:
    """A name in the folder of ``path`` that nobody has, and that tells which process it belongs to."""
    # In the same folder, since a file cannot be moved whole to another disk.
    return path.with_name(f".{_machine()}-{own_name()}-{uuid.uuid4().hex[:12]}.part")


def tidy(folder: Path) -> list[Path]:
    """Remove what killed processes left half written in a folder; folders in it are not searched.

    Returns:
        what was removed, or put back: of a folder that was being replaced on a system that cannot do so in one step.
    """
    gone = []
    with suppress(OSError):  # no such folder, or not ours to list: then there is nothing to remove
        for entry in os.scandir(folder):
            if (match := _NAME.fullmatch(entry.name)) and _is_abandoned(Path(entry.path), *match.groups()):
                _remove(Path(entry.path))
                gone.append(Path(entry.path))
    if gone:
        _log.info("%s: removed %d half-written by processes that were killed.", folder, len(gone))
    return gone


@lru_cache(maxsize=1024)  # a folder is looked through once, or a million files in it would be a million times
def _tidy_once(folder: str) -> None:
    tidy(Path(folder))


@cache
def _machine() -> str:
    """Eight digits for all processes that can see one another: of one start of one computer, or of one container."""
    known = [platform.node()]
    for read in (lambda: Path("/proc/sys/kernel/random/boot_id").read_text(), lambda: os.readlink("/proc/self/ns/pid")):
        with suppress(OSError):  # only Linux has them
            known.append(read())
    return sha256("\n".join(known).encode()).hexdigest()[:8]


def _is_abandoned(path: Path, machine: str, process: str, start: str | None) -> bool:
    """Whether it is ours, and nobody writes to it any more."""
    if os.name == "posix" and path.lstat().st_uid != os.getuid():
        return False
    if machine == _machine() and is_gone(int(process), None if start is None else int(start)):
        return True
    try:
        newest = max(each.stat().st_mtime for each in (path, *path.rglob("*")))
    except OSError:
        return False
    return time.time() - newest > UNTOUCHED_S


def _remove(path: Path) -> None:
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for old in (path / "old").glob("*"):  # killed between two steps of what most systems do in one: undo the first
        with suppress(OSError):
            old.rename(path.parent / old.name)
    shutil.rmtree(path, ignore_errors=True)


def _put_in_place(fresh: Path, folder: Path) -> None:
    """Let ``fresh`` be ``folder``; what was there is then somewhere beside ``fresh``."""
    if not folder.exists():
        fresh.rename(folder)
    elif not _exchange(fresh, folder):
        (fresh.parent / "old").mkdir()
        old = folder.rename(fresh.parent / "old" / folder.name)
        try:
            fresh.rename(folder)
        except OSError:
            old.rename(folder)
            raise


def _exchange(first: Path, second: Path) -> bool:
    """Let two folders change places in one step; False where the system or the disk cannot."""
    rename = getattr(_libc(), "renameat2", None)
    if rename is None:
        return False
    return rename(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE) == 0


@cache
def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if os.name == "posix" else None


def _keep(path: Path) -> None:
    """Have a file's contents on the disk: else a file can have its name after a power cut, and be empty."""
    with path.open("rb" if os.name == "posix" else "rb+") as file:  # Windows flushes only what may be written
        os.fsync(file.fileno())


def _keep_names(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    if os.name != "posix":  # elsewhere a folder cannot be opened, and its names are kept as files are
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a disk over the network that has no such thing
            raise
    finally:
        os.close(handle)


def _keep_folder(folder: Path) -> None:
    for root, _, names in os.walk(folder):
        for name in names:
            _keep(Path(root, name))
        _keep_names(Path(root))


def _reason(error: OSError, folder: Path) -> OSError:
    """Why nothing could be written: some libraries raise an OSError that does not say, so the disk is asked."""
    if error.errno is not None:
        return error
    probe = scratch_beside(folder / "probe")
    try:
        with probe.open("wb") as file:
            file.write(bytes(_PROBE))
            file.flush()
            os.fsync(file.fileno())
    except OSError as found:
        found.filename = None
        return found
    finally:
        probe.unlink(missing_ok=True)
    return error
