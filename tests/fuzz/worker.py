"""A process that runs cases: ``python -m tests.fuzz.worker MEMORY``, names on its input, one line of JSON each back."""

import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from segmentation.isolated_reading_worker import bound_memory
from tests.fuzz import faults, targets
from tests.fuzz.cases import FuzzCase


def run_one(name: str, folder: Path) -> dict[str, Any]:
    """Run a case; what came of it, in how many seconds of a processor: the machine may be busy with other things."""
    start, told = time.process_time(), {}
    try:
        if name in faults.FAULTS:
            faults.FAULTS[name]()
        else:
            targets.run(FuzzCase.of(name), folder)
        outcome = "right"
    except BaseException as error:
        outcome = targets.outcome_of(error)
        told = {"error": f"{type(error).__name__}: {error}"[:600]}
        if outcome == "refused":
            try:
                targets.check_sentence(error)  # type: ignore[arg-type]
            except targets.WrongResult as wrong:
                outcome, told = "wrong", {"error": str(wrong)}
        if outcome != "refused":
            told["trace"] = traceback.format_exc(limit=-8)
    return {"case": name, "outcome": outcome, "seconds": time.process_time() - start, **told}


def main(memory: int) -> None:
    """Run the cases whose names come in, until no more do."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        targets.set_folder(Path(scratch))
        for module in ("scipy.ndimage", "skimage.segmentation", "cv2", "pydicom"):
            __import__(module)  # now, and not in the first case's time and memory
        bound_memory(memory)
        answers.write("ready\n")
        answers.flush()
        for line in sys.stdin:
            if targets.prepare(line.split("-")[1]):
                bound_memory(memory)
            answers.write("loaded\n")
            answers.flush()
            folder = Path(scratch) / "case"
            folder.mkdir()
            told = run_one(line.strip(), folder)
            answers.write(json.dumps(told) + "\n")
            answers.flush()
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
