"""Processes that die where a test says: forked from one that has loaded everything, and has run nothing yet."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["lightning_modules.train", "segmentation.batch_command", __name__])
KILLED = -signal.SIGKILL


def ended(target: Callable[..., None], *arguments: Any) -> int:
    """Exit code of a process that did this."""
    child = _CONTEXT.Process(target=target, args=arguments)
    child.start()
    child.join(100)
    assert child.exitcode is not None, "it hangs"
    return child.exitcode


def kill_me(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def train(arguments: list[str], step: str) -> None:
    """``fit``, killed at a step; see ``_kill_training_at``."""
    _be_as_started_from_a_shell()
    from lightning_modules.train import command_line

    _kill_training_at(step)
    sys.exit(command_line(arguments))


def batch(words: list[str], replaced: int) -> None:
    """A batch, killed before it gives the so-manyeth of its files its name."""
    _be_as_started_from_a_shell()
    from segmentation import batch_command
    from segmentation.__main__ import main
    from segmentation.batch_workers import run_here

    batch_command.run_jobs = lambda opening, tasks, _jobs: run_here(opening.open(), tasks)  # type: ignore[assignment]
    left, replace = [replaced], os.replace

    def die_before(*arguments: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            kill_me()
        replace(*arguments)

    os.replace = die_before  # type: ignore[assignment]
    sys.exit(main(words))


def _kill_training_at(step: str) -> None:
    from lightning_modules import callbacks, checkpoint_files
    from lightning_modules.segmentation_module import SegmentationModule

    training_step, replace = SegmentationModule.training_step, os.replace
    if step == "in the middle of the second epoch":

        def die_in_epoch(self: SegmentationModule, batch: Any, index: int) -> Any:
            return kill_me() if (self.current_epoch, index) == (1, 2) else training_step(self, batch, index)

        SegmentationModule.training_step = die_in_epoch  # type: ignore[method-assign]
    elif step == "while the bundle is made":
        callbacks.search_decode = kill_me
    elif step:

        def die_at_last(source: Any, target: Any) -> None:
            target = Path(target)
            if target.name == checkpoint_files.LAST and step == "before last.ckpt has its name":
                kill_me()
            replace(source, target)
            if target.name == checkpoint_files.PREVIOUS and step == "after last.ckpt became previous.ckpt":
                kill_me()

        os.replace = die_at_last  # type: ignore[assignment]


def _be_as_started_from_a_shell() -> None:
    # As it was started itself, PyTorch would start its workers: under a parent that outlives the killed one.
    multiprocessing.set_start_method("fork", force=True)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
