"""Files that appear whole or not at all."""

import os
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
