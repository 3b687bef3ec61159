"""Files and folders that appear whole or not at all."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to: what is there in the end takes ``path``'s place in one step.

    If anything fails in between, an older file at ``path`` stays as it was and nothing else is left behind. What the
    system could not do is told of ``path``, not of the name beside it.
    """
    # In the same folder, since a file cannot be moved whole to another disk.
    scratch = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield scratch
        os.replace(scratch, path)
    except OSError as error:
        if error.filename is not None and Path(error.filename) == scratch:
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to fill, which then takes the place of ``folder`` and of what is there.

    If anything fails in between, an older folder stays as it was and nothing else is left behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        fresh = Path(scratch) / "fresh"  # the scratch folder itself is private; what is written may be served
        fresh.mkdir()
        yield fresh
        old = folder.rename(Path(scratch) / "old") if folder.exists() else None
        try:
            fresh.rename(folder)
        except OSError:
            if old is not None:
                old.rename(folder)
            raise
