"""A training that is killed and resumed, until its weights can be compared with those of an unbroken one."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.faults_processes import Ended, run
from benchmarks.faults_table import Row
from benchmarks.faults_trees import contents, difference, half_written
from lightning_modules.checkpoint_files import LAST, PREVIOUS, damage, read

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = {
    "--config": str(ROOT / "configs" / "synthetic.yaml"),
    "--data.source.init_args.pictures": "48",
    "--data.source.init_args.size": "96",
    "--data.crop": "96",
    "--data.crops_per_epoch": "96",
    "--data.workers": "1",  # which fetches crops ahead: what it had ahead when it was killed must come again
    "--trainer.callbacks": "lightning_modules.callbacks.AveragedWeights",
    "--trainer.deterministic": "true",
    "--trainer.accelerator": "cpu",
    "--trainer.enable_progress_bar": "false",
    "--trainer.enable_model_summary": "false",
    "--early_stopping.patience": "6",
}
EXACT = ("state_dict", "current_model_state", "averaging_state", "optimizer_states", "lr_schedulers", "epoch")


def words(root: Path, epochs: int) -> list[str]:
    """The command that is killed, and that goes on."""
    settings = {**SETTINGS, "--trainer.max_epochs": str(epochs), "--trainer.default_root_dir": str(root)}
    given = [part for item in settings.items() for part in item]
    return ["-m", "lightning_modules.train", "fit", *given, "--ckpt_path", "last"]


def killed_training(kills: int, epochs: int, seed: int, scratch: Path, tell: Callable[[str], None]) -> Row:
    """A training killed ``kills`` times at random moments, and resumed each time.

    After each kill, every checkpoint must be whole and never of an earlier epoch than before; in the end, all numbers
    of the last checkpoint and all bytes of the bundle must be those of an unbroken run. A run that ends before the next
    kill is compared, and another one begun.
    """
    drawn = random.Random(seed)
    start = time.time()
    reference = scratch / "unbroken"
    unbroken = run(words(reference, epochs))
    row = Row("training", "runs ended")
    row.check(unbroken.fault())
    began = min(path.stat().st_mtime for path in reference.rglob("config.yaml"))
    last = (reference / "checkpoints" / LAST).stat().st_mtime
    before, epoch = began - start, (last - began) / (read(reference / "checkpoints" / LAST)["epoch"] + 1)
    tell(f"unbroken: {unbroken.seconds:.1f} s, of them {before:.1f} s before the first step; an epoch {epoch:.1f} s")
    lost: list[float] = []
    root, seen = scratch / "round0", -1
    while True:
        moment = drawn.uniform(before * 0.5, before + 4 * epoch) if row.cases < kills else None
        ended = run(words(root, epochs), moment)
        killed_at = time.time()
        row.check(ended.fault())
        row.cases += ended.killed
        reached = _reached(root, row)
        row.check("" if reached >= seen else f"from epoch {seen} back to {reached}")
        seen = reached
        if ended.killed:
            lost += [_lost(root, ended, killed_at)] if moment and moment > before else []
            tell(f"killed after {ended.seconds:.1f} s; epoch {reached + 1} of {epochs} is on the disk")
            continue
        row.ended += 1
        row.check(unlike(root, reference))
        row.check(", ".join(half_written(root)))
        tell(f"ended after {row.cases} kills; {'as unbroken' if not row.faults else row.faults[-1]}")
        if row.cases >= kills:
            row.note = f"at most {max(lost, default=0):.1f} s of work done again; an epoch takes {epoch:.1f} s"
            return row
        root, seen = scratch / f"round{row.ended}", -1


def unlike(root: Path, reference: Path) -> str:
    """What of a run's end is not as in another's, bit for bit; empty if all is."""
    first, second = (read(folder / "checkpoints" / LAST) for folder in (reference, root))
    for part in EXACT:
        if not same(first.get(part), second.get(part)):
            return f"{part} of {LAST} differs"
    return difference(contents(root / "bundle"), contents(reference / "bundle"))


def same(first: Any, second: Any) -> bool:
    """Whether two values of checkpoints hold the same numbers, bit for bit."""
    if isinstance(first, torch.Tensor):
        return (
            isinstance(second, torch.Tensor)
            and first.dtype == second.dtype
            and first.shape == second.shape
            and first.contiguous().numpy().tobytes() == second.contiguous().numpy().tobytes()
        )
    if isinstance(first, dict):
        return (
            isinstance(second, dict) and first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
        )
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def _reached(root: Path, row: Row) -> int:
    """The epoch of the last checkpoint, -1 without one; notes which checkpoints are damaged."""
    folder = root / "checkpoints"
    for path in sorted(folder.glob("*.ckpt")):
        fault = damage(path)
        row.check(f"{path.name}: {fault}" if fault else "")
    newest = folder / LAST if (folder / LAST).exists() else folder / PREVIOUS
    return int(read(newest)["epoch"]) if newest.exists() else -1


def _lost(root: Path, ended: Ended, killed_at: float) -> float:
    """Seconds of work, not all of them of training, between the last checkpoint or the start and the kill."""
    path = root / "checkpoints" / LAST
    saved = path.stat().st_mtime if path.exists() else 0.0
    return min(killed_at - saved, ended.seconds)
