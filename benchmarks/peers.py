"""Nucleoscope beside StarDist, Cellpose, InstanSeg and Otsu with watershed: time, memory, size, accuracy, in one run.

Run: ``python -m benchmarks.peers [--sides 256 1024 4096] [--repeats 5] [--peers stardist ...] [--data ARCHIVE]``.
Each tool gets an environment of its own, with pinned versions, in the user's cache folder (about 5 GB; kept for the
next time), and a process of its own for each size of picture, on the same cores with the same number of threads. They
take turns, so that a slow moment of the machine meets all of them. Times run from pixels in memory to labels. A tool
that cannot be installed, fails or takes too long is a row that says so. StarDist is trained for a few minutes the
first time, on drawn pictures or on those of ``--data``; accuracy is judged on others of the same source.
"""

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import platformdirs

from benchmarks.peers_environments import OWN, PEERS, ROOT, YARDSTICK, install, installed_bytes, is_installed, python_of
from benchmarks.peers_pictures import labelled, timed_picture
from benchmarks.peers_process import PeerError, Worker, closing_all, environment
from benchmarks.peers_report import Row, Rows, draw, times, tools
from benchmarks.peers_training import trained
from segmentation.scores import average_precision, match

INSTALL_LIMIT = 1800  # seconds for each step
START_LIMIT = 300
LONG = 60  # a first round longer than this counts as the one measurement; a shorter one only warms up
REST = 0.2  # seconds between turns, in which threads that wait by spinning go to sleep


def main() -> None:
    """Print the tables and write the plot."""
    options = _arguments()
    cache = options.cache or Path(platformdirs.user_cache_dir("nucleoscope")) / "peers"
    peers = [peer for peer in PEERS if peer in {YARDSTICK, OWN, *options.peers}]
    told: dict[str, dict[str, Any]] = {peer: {} for peer in peers}
    rows: Rows = {}
    try:
        with tempfile.TemporaryDirectory() as scratch:
            _compare(options, cache, Path(scratch), peers, told, rows)
    except KeyboardInterrupt:
        print("Stopped; what was measured until then:", file=sys.stderr)
    print(f"{options.threads} threads, {options.repeats} repeats after one that warms up; medians\n")
    print(times(rows, options.sides, peers), end="\n\n")
    print(tools(told, peers))
    if options.data is not None and options.fold_table is None:
        print("- Without --fold-table, Nucleoscope may have learned from pictures that it is judged on.")
    if any(row.seconds for row in rows.values()):
        draw(rows, options.sides, peers, options.plot)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 1024, 4096], help="of the pictures, in pixels")
    parser.add_argument("--repeats", type=int, default=5)
    others = [peer for peer in PEERS if peer not in (YARDSTICK, OWN)]
    parser.add_argument("--peers", nargs="+", choices=others, default=others, help="beside Nucleoscope (default: all)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--skip-install", action="store_true", help="make no environments; use those that are there")
    parser.add_argument("--cache", type=Path, help="for environments and weights (default: the user's cache folder)")
    parser.add_argument("--data", help="the 2018 Data Science Bowl's archive or folder (default: drawn pictures)")
    parser.add_argument("--fold-table", help="CSV file with the columns ImageId and fold (default: own folds)")
    parser.add_argument("--train-minutes", type=float, default=8, help="for StarDist, once (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one picture (default: %(default)s)")
    parser.add_argument("--plot", type=Path, default=ROOT / "docs" / "peers.png")
    options = parser.parse_args()
    if min(*options.sides, options.repeats, options.threads) < 1 or min(options.sides) < 16:
        parser.error("sides are at least 16 pixels, and there is at least one repeat and one thread.")
    options.sides = sorted(set(options.sides))
    return options


def _compare(
    options: argparse.Namespace,
    cache: Path,
    scratch: Path,
    peers: list[str],
    told: dict[str, dict[str, Any]],
    rows: Rows,
) -> None:
    """Fill ``told`` and ``rows``, which hold what is known so far at any moment."""
    source = "drawn" if options.data is None else _digest(options.data, options.fold_table)
    weights = cache / f"stardist-weights-{source}"
    for peer in peers:
        _say(f"{PEERS[peer].title}: environment")
        if options.skip_install and not is_installed(peer, cache):
            told[peer]["reason"] = "not installed"
        else:
            told[peer]["reason"] = install(peer, cache, INSTALL_LIMIT)
        if not told[peer]["reason"]:
            told[peer] |= {"installed": installed_bytes(peer, cache), "trained": PEERS[peer].trained}
    if "stardist" in peers and not told["stardist"]["reason"]:
        try:
            told["stardist"]["trained"] = trained(weights, python_of("stardist", cache), scratch, options)
        except PeerError as error:
            told["stardist"]["reason"] = str(error)
    usable = [peer for peer in peers if not told[peer]["reason"]]
    for side in options.sides:
        for peer in peers:
            rows[peer, side] = Row(reason=told[peer]["reason"] or "not measured")

    def start(peer: str) -> Worker:
        command = [str(python_of(peer, cache)), "-m", "benchmarks.peers_worker", peer]
        log = scratch / f"{peer}.log"
        return Worker([*command, str(options.threads), str(weights)], environment(options.threads), log, START_LIMIT)

    starts: dict[str, list[float]] = {peer: [] for peer in usable}
    for side in options.sides:
        picture = timed_picture(side, scratch)
        workers: dict[str, Worker] = {}
        with closing_all(workers):
            for peer in usable:
                _say(f"{side}: starting {PEERS[peer].title}")
                try:
                    workers[peer] = start(peer)
                except PeerError as error:
                    rows[peer, side].reason = str(error)
                    told[peer]["reason"] = str(error)
                    continue
                starts[peer].append(workers[peer].start)
                told[peer] |= {**workers[peer].ready, "start": median(starts[peer])}
            take_turns(workers, picture, side, options.repeats, options.timeout, rows)
        picture.unlink()
    judged = [peer for peer in usable if PEERS[peer].judged and "version" in told[peer]]
    pictures = labelled("test", scratch, options) if judged else []
    for peer in judged:
        _say(f"judging {PEERS[peer].title}")
        try:
            told[peer] |= judge(partial(start, peer), pictures, scratch, options.timeout)
        except PeerError as error:
            told[peer]["unjudged"] = str(error)
    for peer in usable:
        if not PEERS[peer].judged:
            told[peer]["unjudged"] = "random weights"


def take_turns(workers: dict[str, Worker], picture: Path, side: int, repeats: int, timeout: float, rows: Rows) -> None:
    """Fill the rows of one side; who begins changes with every round, and the first round warms up."""
    names, finished = list(workers), set()
    for peer in names:
        rows[peer, side] = Row()
    for round_ in range(repeats + 1):
        first = round_ % max(len(names), 1)
        for peer in names[first:] + names[:first]:
            row = rows[peer, side]
            if peer in finished:
                continue
            time.sleep(REST)
            try:
                answer = workers[peer].ask({"picture": str(picture), "labels": None}, timeout)
            except PeerError as error:
                row.reason = str(error)
                finished.add(peer)
                _say(f"{side}: {PEERS[peer].title}: {row.reason}")
                continue
            _say(f"{side}, round {round_} of {repeats}: {PEERS[peer].title} {answer['seconds']:.3f} s")
            row.peak, row.whole = answer["peak"], answer["nuclei"] is not None
            if round_ or answer["seconds"] > LONG:
                row.seconds.append(answer["seconds"])
                row.network += [answer["network"]] if answer["network"] is not None else []
            if not round_ and row.seconds:
                finished.add(peer)


def judge(start: Callable[[], Worker], pictures: list[Path], scratch: Path, timeout: float) -> dict[str, float]:
    """Average precision of a tool on labelled ``pictures`` at IoU 0.5 and 0.75, the nuclei of all of them pooled.

    Raises:
        PeerError: if the tool fails on one of them.
    """
    worker, found, counts = start(), scratch / "found.npy", []
    with closing_all({"judged": worker}):
        for picture in pictures:
            worker.ask({"picture": str(picture), "labels": str(found)}, timeout)
            with np.load(picture) as file:
                counts.append(match(np.load(found), file["labels"], (0.5, 0.75)))
    pooled = [
        np.sum([getattr(each, name) for each in counts], axis=0)
        for name in ("true_positives", "false_positives", "false_negatives")
    ]
    ap50, ap75 = average_precision(*pooled)
    return {"ap50": float(ap50), "ap75": float(ap75)}


def _digest(*words: object) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()[:8]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
