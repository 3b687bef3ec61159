"""Files that appear whole or not at all."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to: what is there in the end takes ``path``'s place in one step.

    If anything fails in between, an older file at ``path`` stays as it was and nothing else is left behind.
    """
    # In the same folder, since a file cannot be moved whole to another disk.
    scratch = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield scratch
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
