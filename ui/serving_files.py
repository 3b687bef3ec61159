"""Where a server keeps visitors' files: a folder of its own, which it removes, and which the next one removes if not.

The folder is locked for as long as its server lives, so that the next one knows which are left over: a process's
number, which may be that of another by then, would not tell.
"""

import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, which removes no file that is open, and so needs no lock
    fcntl = None  # type: ignore[assignment]

PREFIX = "nucleoscope-server-"
_LOCK = "server.lock"
_FRESH_S = 60  # a folder without a lock file may be of a server that is just about to make it


class ServerFolder:
    """A new folder for temporary files, which :mod:`tempfile` and Gradio use from now on.

    Args:
        parent: where temporary files lie; by default the system's place.

    Raises:
        OSError: if no folder can be made there.
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        self.removed = remove_left_over(parent)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        self._lock = (self.path / _LOCK).open("w")
        if fcntl:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._before = tempfile.tempdir
        tempfile.tempdir = str(self.path)
        self._chosen = "GRADIO_TEMP_DIR" not in os.environ
        self.uploads = Path(os.environ.setdefault("GRADIO_TEMP_DIR", str(self.path / "gradio")))

    def free_bytes(self) -> int:
        """What the disk has left for visitors' files."""
        return shutil.disk_usage(self.path).free

    def sweep(self, age: float) -> None:
        """Remove the folders that Gradio made for one file each, where that file has been gone for ``age`` seconds."""
        if not self._chosen:
            return  # somebody else chose the place, and may keep other things there
        limit = time.time() - age
        for folder in self.uploads.glob("*") if self.uploads.is_dir() else ():
            try:
                if folder.is_dir() and folder.stat().st_mtime < limit:
                    folder.rmdir()
            except OSError:
                continue  # not empty

    def close(self) -> None:
        """Remove everything."""
        if self._chosen:
            os.environ.pop("GRADIO_TEMP_DIR", None)
        tempfile.tempdir = self._before
        self._lock.close()
        shutil.rmtree(self.path, ignore_errors=True)


def remove_left_over(parent: Path) -> int:
    """Remove the folders of servers that are gone without having done so; returns how many."""
    removed = 0
    for folder in parent.glob(PREFIX + "*"):
        try:
            if not _is_left_over(folder):
                continue
            shutil.rmtree(folder)
        except OSError:
            continue  # another user's, or removed by another server meanwhile
        removed += 1
    return removed


def _is_left_over(folder: Path) -> bool:
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or (hasattr(os, "getuid") and about.st_uid != os.getuid()):
        return False
    lock = folder / _LOCK
    if not lock.exists():
        return time.time() - about.st_mtime > _FRESH_S
    if fcntl is None:
        lock.unlink()  # fails while it is open
        return True
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return True
