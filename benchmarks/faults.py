"""What is lost when processes are killed, disks fill up and the power fails: nothing but the work since the last file.

Run: ``python -m benchmarks.faults [STUDY...] [--kills 20] [--disks 20] [--seed 0]``; studies are ``training``,
``batch``, ``workers``, ``disk`` and ``power``, all of them by default. It prints a table, and ends with code 1 if a
promise of docs/reliability.md was broken. The moments are drawn from the seed; where in the work they fall depends on
the computer's speed. Processes are told apart through ``/proc``: Linux only. Full disks are real ones in memory, which
root may mount; without, that study is left out and says so.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.faults_table import Row, table

STUDIES = ("training", "batch", "workers", "disk", "power")


def main(arguments: list[str] | None = None) -> int:
    """Break things, print the table; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=f"of {', '.join(STUDIES)}; all by default")
    parser.add_argument("--kills", type=int, default=20, help="of the training, of each batch, and of workers")
    parser.add_argument("--disks", type=int, default=20, help="full disks for each kind of file")
    parser.add_argument("--full-commands", type=int, default=3, help="full disks for whole batches and trainings")
    parser.add_argument("--epochs", type=int, default=20, help="of the training")
    parser.add_argument("--pictures", type=int, default=40, help="of the batch")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args(arguments)
    if unknown := set(options.studies) - set(STUDIES):
        parser.error(f"{sorted(unknown)[0]}: no such study; choose from {', '.join(STUDIES)}")
    start = time.monotonic()

    def tell(line: str) -> None:
        print(f"[{time.monotonic() - start:6.0f} s] {line}", file=sys.stderr, flush=True)

    rows: list[Row] = []
    for study in options.studies or STUDIES:
        with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
            tell(study)
            rows += _study(study, options, Path(scratch), tell)
    print(table(rows))
    broken = sum(len(row.faults) for row in rows)
    print(f"\n{broken} promises broken, {sum(row.cases for row in rows):,} faults made.")
    return 1 if broken else 0


def _study(study: str, options: argparse.Namespace, scratch: Path, tell: Callable[[str], None]) -> list[Row]:
    """Rows of one study. Each loads what it needs itself: PyTorch and Lightning take seconds, and --help should not."""
    kills, pictures, seed = options.kills, options.pictures, options.seed
    if study == "training":
        from benchmarks.faults_training import killed_training

        return [killed_training(kills, options.epochs, seed, scratch, tell)]
    if study == "batch":
        from benchmarks.faults_batch import killed_batches

        return [killed_batches(kills, pictures, jobs, seed, scratch / str(jobs), tell) for jobs in (1, 2)]
    if study == "workers":
        from benchmarks.faults_batch import killed_workers

        return [killed_workers(kills, pictures, seed, scratch, tell)]
    if study == "disk":
        from benchmarks.faults_disk import full_commands, full_disks

        rows = full_disks(options.disks, seed, scratch, tell)
        commands = full_commands(options.full_commands, pictures, min(options.epochs, 5), seed, scratch / "c", tell)
        return rows + commands
    from benchmarks.faults_power import power_cuts

    return power_cuts(scratch, tell)


if __name__ == "__main__":
    sys.exit(main())
