"""Checkpoints on the disk: written whole or not at all, checked before they are read, and the one before kept."""

import io
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning_fabric.utilities.types import _PATH
from pytorch_lightning.utilities import rank_zero_warn

from segmentation.atomic import replacing, scratch_beside
from segmentation.errors import NucleoscopeError

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"


class WholeCheckpoints(TorchCheckpointIO):
    """Writes checkpoints whole or not at all; before a ``last.ckpt`` is replaced, it becomes ``previous.ckpt``.

    Lightning's own writing moves a file from the system's temporary folder. From another disk that is a copy, which a
    kill leaves half done where the only good checkpoint was, and nothing has it on the disk when the power fails.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: _PATH, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            NucleoscopeError: if it cannot be written; the ones before are as they were.
        """
        if "://" in str(path):  # not a disk: such stores show an object when it is whole
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        path = Path(path)
        buffer = io.BytesIO()  # of a disk that is full, PyTorch's own writing tells nothing
        torch.save(checkpoint, buffer)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as scratch:
                scratch.write_bytes(buffer.getbuffer())
                if path.name == LAST and path.exists():
                    _keep_previous(path)
        except OSError as error:
            raise NucleoscopeError(
                f"{path}: the checkpoint cannot be written ({error.strerror or error}); free the disk, and --ckpt_path "
                "last goes on from the one before it."
            ) from error

    def load_checkpoint(
        self, path: _PATH, map_location: Any = lambda storage, place: storage, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint, and never as a pickle that could run code, whatever ``weights_only`` says.

        Raises:
            NucleoscopeError: if it is missing or damaged, or holds more than numbers.
        """
        if "://" not in str(path):
            check(Path(path))
        return super().load_checkpoint(path, map_location, weights_only=True)


def read(path: Path) -> Mapping[str, Any]:
    """What a checkpoint on this computer holds, on the processor.

    Raises:
        NucleoscopeError: if it is missing or damaged, or holds more than numbers.
    """
    return WholeCheckpoints().load_checkpoint(path, "cpu")


def check(path: Path) -> None:
    """Make sure that a checkpoint can be gone on from.

    Raises:
        NucleoscopeError: if it is missing or damaged, or holds more than numbers.
    """
    if fault := damage(path):
        before = path.with_name(PREVIOUS)
        whole = path.name == LAST and damage(before) is None
        cure = f"go on from the one before it with --ckpt_path {before}" if whole else "name another with --ckpt_path"
        raise NucleoscopeError(f"{path}: {fault}, so it is no checkpoint to go on from; {cure}.")


def damage(path: Path) -> str | None:
    """What is wrong with a checkpoint; None if nothing is.

    Every byte is compared with the checksums that PyTorch writes and never looks at: of a checkpoint in which a bit has
    changed, it would give back other weights without a word.
    """
    try:
        with ZipFile(path) as archive:
            part = archive.testzip()
        if part is not None:
            return f"it is damaged ({part} does not match its checksum)"
        torch.load(path, map_location="meta", weights_only=True)
    except FileNotFoundError:
        return "there is no such file"
    except OSError as error:
        return f"it cannot be read ({error.strerror or error})"
    except BadZipFile:
        return "it is damaged, or cut short"
    except pickle.UnpicklingError:
        return "it holds more than numbers, which could run code"
    except (RuntimeError, ValueError, KeyError, EOFError) as error:
        return f"it is damaged ({type(error).__name__})"
    return None


def newest(folder: Path) -> Path | None:
    """The checkpoint that ``--ckpt_path last`` goes on from; None where there is none yet.

    That is ``last.ckpt``, or, where it is damaged, ``previous.ckpt``: the result is the same, after more work.

    Raises:
        NucleoscopeError: if there are some, all of them damaged.
    """
    faults: list[str] = []
    for path in (folder / LAST, folder / PREVIOUS):
        fault = damage(path)
        if fault is None:
            for told in faults:
                rank_zero_warn(f"{told}; training goes on from {path.name}, the checkpoint before it.")
            return path
        if path.exists():
            faults.append(f"{path}: {fault}")
    if faults:
        raise NucleoscopeError(f"{'; '.join(faults)}: remove what is damaged, and train from the beginning.")
    return None


def _keep_previous(path: Path) -> None:
    """Let ``previous.ckpt`` be what is at ``path`` now, while that stays where it is."""
    scratch = scratch_beside(path)
    try:
        os.link(path, scratch)
    except OSError:  # a disk that has no second names: for a moment only the previous one is there
        os.replace(path, path.with_name(PREVIOUS))
        return
    try:
        os.replace(scratch, path.with_name(PREVIOUS))
    finally:
        scratch.unlink(missing_ok=True)  # which is still there where both were one file before
