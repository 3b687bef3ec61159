"""What a process does that reads strangers' files for another: one request after the other, until its pipe closes.

``python -P -m segmentation.isolated_reading_worker MEMORY`` is started by :mod:`segmentation.isolated_reading_process`.
A request is a line of JSON on its standard input. An answer, on what was its standard output, is the length of some
JSON in four bytes, that JSON, and the numbers of an array, if it speaks of one. Only what reading needs is loaded: no
network, no page.
"""

import json
import os
import queue
import signal
import struct
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from segmentation.errors import NucleoscopeError
from segmentation.image_info import describe
from segmentation.image_io import read_images
from segmentation.isolated_reading_answers import (
    Answer,
    from_image,
    from_info,
    from_labels,
    from_pictures,
    from_truth,
)

LATE_S = 10.0  # beyond its time, after which a process ends itself: whoever should have ended it is gone


def main(memory: int) -> None:
    """Answer requests until the pipe closes.

    Args:
        memory: bytes that this process may take on top of what it takes now; see :func:`bound_memory`.
    """
    answers = _own_output()
    bound_memory(memory)
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    _tell(answers, {"kind": "ready"})
    opened: Iterator[Answer] = iter(())
    while True:
        request = requests.get()
        if request["do"] != "next":
            opened = iter(())  # the file that was open is closed, whatever is left in it
        if request["do"] == "rest":
            continue
        if request["do"] == "greet":
            _tell(answers, {"kind": "ready"})
            continue
        _set_alarm(request["seconds"] + LATE_S)
        try:
            if request["do"] != "next":
                opened = ACTIONS[request.pop("do")](request)
            answer = next(opened, ({"kind": "end"}, None))
        except NucleoscopeError as error:
            scarce = isinstance(error.__cause__, MemoryError)
            answer = ({"kind": "memory"} if scarce else {"kind": "error", **_told(error)}), None
        except MemoryError:
            answer = {"kind": "memory"}, None
        except Exception as error:
            answer = {"kind": "fault", **_told(error), "trace": traceback.format_exc(limit=-5)}, None
        _tell(answers, *answer)
        del answer
        _set_alarm(0)


def _images(request: dict[str, Any]) -> Iterator[Answer]:
    chosen = {key: request[key] for key in ("name", "channel", "page", "projection")}
    return map(from_image, read_images(Path(request["path"]), **chosen))


def _info(request: dict[str, Any]) -> Iterator[Answer]:
    yield from_info(describe(Path(request["path"]), name=request["name"]))


def _truth(request: dict[str, Any]) -> Iterator[Answer]:
    from segmentation.truth_io import read_truth  # half as much again to load, for what few visitors ask

    height, width = request["shape"]
    yield from_truth(read_truth(request["paths"], (height, width)))


def _labels(request: dict[str, Any]) -> Iterator[Answer]:
    from segmentation.truth_io import read_labels

    yield from_labels(read_labels(Path(request["path"])))


def _files(request: dict[str, Any]) -> Iterator[Answer]:
    from segmentation.picture_sources import expand

    yield from_pictures(expand(request["paths"], request["folder"]))


ACTIONS: dict[str, Callable[[dict[str, Any]], Iterator[Answer]]] = {
    "images": _images,
    "info": _info,
    "truth": _truth,
    "labels": _labels,
    "files": _files,
}


def bound_memory(memory: int) -> None:
    """Let no more than so many bytes be taken from now on, where the system can see to that.

    Linux counts what is asked for and writable (``RLIMIT_DATA``); address space, which threads reserve by the gigabyte,
    is all that other systems count. Windows has neither.
    """
    try:
        import resource
    except ImportError:
        return
    kind = resource.RLIMIT_DATA if sys.platform == "linux" else resource.RLIMIT_AS
    most = memory + _taken_now()
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    try:
        resource.setrlimit(kind, (most, hard))
    except (OSError, ValueError):
        return  # as on macOS, for less than is reserved already


def _taken_now() -> int:
    """Bytes that the limit counts already."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
    except (OSError, ValueError, IndexError):
        return 2**30
    return pages * os.sysconf("SC_PAGE_SIZE")


def _set_alarm(seconds: float) -> None:
    """The system ends this process then, even inside a decoder that never comes back; 0 calls it off."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _own_output() -> BinaryIO:
    """Standard output for answers alone: what libraries print goes nowhere."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return answers


def _listen(requests: "queue.SimpleQueue[dict[str, Any]]") -> None:
    """Hand requests on; when the pipe closes, whoever asked is gone, and nobody waits for what is being read."""
    for line in sys.stdin.buffer:
        requests.put(json.loads(line))
    os._exit(0)


def _tell(answers: BinaryIO, header: dict[str, Any], numbers: memoryview | None = None) -> None:
    try:
        said = json.dumps(header).encode()
        _write(answers, struct.pack("<I", len(said)) + said)
        if numbers is not None:
            _write(answers, numbers)
    except BrokenPipeError:
        os._exit(0)


def _write(answers: BinaryIO, data: "bytes | memoryview") -> None:
    left = memoryview(data)
    while left:
        left = left[answers.write(left) :]


def _told(error: Exception) -> dict[str, str]:
    return {"type": type(error).__name__, "message": str(error)}


if __name__ == "__main__":
    main(int(sys.argv[1]))
