"""StarDist's weights for ``benchmarks.peers``: trained once, then kept."""

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

from benchmarks.peers_environments import ROOT, last_words
from benchmarks.peers_pictures import labelled
from benchmarks.peers_process import PeerError, environment
from segmentation.atomic import replacing_folder

OVERTIME = 900  # seconds for starting and for tuning the thresholds


def trained(weights: Path, python: Path, scratch: Path, options: Namespace) -> str:
    """Make sure that ``weights`` holds a trained model; returns in words what it has learned from.

    Raises:
        PeerError: if training fails.
    """
    if not (weights / "trained.json").exists():
        for part in ("train", "validation"):
            labelled(part, scratch, options)
        seconds = 60 * options.train_minutes
        print(f"training StarDist for {options.train_minutes:g} minutes", file=sys.stderr, flush=True)
        with replacing_folder(weights) as fresh:
            command = [str(python), "-m", "benchmarks.peers_stardist", str(scratch), str(fresh), str(seconds)]
            try:
                done = subprocess.run(
                    command,
                    cwd=ROOT,
                    env=environment(options.threads),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    timeout=seconds + OVERTIME,
                )
            except subprocess.TimeoutExpired:
                raise PeerError(f"its training did not end within {seconds + OVERTIME:.0f} s") from None
            if done.returncode:
                raise PeerError(f"its training failed ({last_words(done.stdout)})")
    told = json.loads((weights / "trained.json").read_text(encoding="utf-8"))
    kind = "drawn pictures of the kind judged" if options.data is None else "real pictures of the kind judged"
    return f"{told['pictures']} {kind}, {told['steps']:,} steps of {told['batch_size']} x {told['patch']}²"
