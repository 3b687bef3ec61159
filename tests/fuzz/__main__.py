"""``python -m tests.fuzz``: thousands of wrong files and payloads; see ``--help``."""

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz import targets
from tests.fuzz.cases import SHARES, FuzzCase, generate
from tests.fuzz.runner import BUGS, MEMORY, SECONDS, Result, run_cases

LISTED = 5  # of the slowest and the largest


def build_parser() -> argparse.ArgumentParser:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description="Run wrong files and payloads. Each must give the right result or the project's own error, within "
        f"{SECONDS:g} seconds and {MEMORY / 2**30:g} GiB. The exit code is 1 if one does not.",
    )
    parser.add_argument("--cases", type=int, default=20_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="other cases (default: %(default)s)")
    parser.add_argument("--kinds", nargs="+", choices=list(SHARES), help="of these kinds alone")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument("--minutes", type=float, help="stop after so many")
    parser.add_argument("--case", metavar="NAME", help="run one case alone, in this process, with its traceback")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/fuzz"), help="bugs' files and results.json (default: %(default)s)"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit code."""
    options = build_parser().parse_args(arguments)
    if options.case:
        return run_alone(options.case, options.out)
    start, results = time.monotonic(), []
    names = [case.name for case in generate(options.cases, options.seed, options.kinds)]
    for result in run_cases(names, options.workers):
        results.append(result)
        if result.is_bug:
            print(f"\r{result.case}: {result.outcome} ({result.error[:200]})")
            keep(result, options.out)
        if len(results) % 50 == 0:
            passed = time.monotonic() - start
            print(f"\r{len(results):,} of {len(names):,} in {passed:,.0f} s", end="", file=sys.stderr, flush=True)
            if options.minutes and passed > 60 * options.minutes:
                break
    print(file=sys.stderr)
    print(summary(results, options.seed, time.monotonic() - start))
    return int(any(result.is_bug for result in results))


def run_alone(name: str, out: Path) -> int:
    """Run one case in this process, its files in ``out``."""
    case, folder = FuzzCase.of(name), out / name
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch:
        targets.set_folder(Path(scratch))
        start = time.perf_counter()
        try:
            targets.run(case, folder)
            outcome = "right"
        except Exception as error:
            outcome = targets.outcome_of(error)
            print(f"{type(error).__name__}: {error}")
            if outcome in BUGS:
                raise
    print(f"{name}: {outcome} in {time.perf_counter() - start:.2f} s; files in {folder}")
    return 0


def keep(result: Result, out: Path) -> None:
    """Save what there is of a bug: its words, and its file if it is one."""
    folder = out / result.case
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(vars(result), indent=2))
    if not result.case.startswith("fault-"):
        case = FuzzCase.of(result.case)
        if case.kind not in ("bundle", "api", "corrections"):
            from tests.fuzz.cases import make_file

            ending, data, _ = make_file(case)
            (folder / f"case{ending}").write_bytes(data)


def summary(results: list[Result], seed: int, seconds: float) -> str:
    """Outcomes by kind, and the slowest and largest cases."""
    counts: dict[str, Counter[str]] = {}
    for result in results:
        counts.setdefault(result.case.split("-")[1], Counter())[result.outcome] += 1
    columns = ("right", "refused", *BUGS)
    lines = [f"{len(results):,} cases of seed {seed} in {seconds:,.0f} s", ""]
    lines.append("| kind | " + " | ".join(columns) + " |")
    lines.append("| --- |" + " ---: |" * len(columns))
    total = sum(counts.values(), Counter())
    for kind in [*(kind for kind in SHARES if kind in counts), "all"]:
        row = total if kind == "all" else counts[kind]
        lines.append(f"| {kind} | " + " | ".join(f"{row[column]:,}" for column in columns) + " |")
    slowest = sorted(results, key=lambda result: -result.seconds)[:LISTED]
    largest = sorted(results, key=lambda result: -result.memory)[:LISTED]
    lines += ["", "Slowest: " + ", ".join(f"{each.case} {each.seconds:.2f} s" for each in slowest)]
    lines += ["Largest: " + ", ".join(f"{each.case} {each.memory / 2**20:,.0f} MiB" for each in largest)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
