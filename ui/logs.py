"""The server's log: one line for each thing that happened, as key=value or JSON, and nothing of visitors in it.

No address, no name of a file, no words that a visitor typed: of a fault, its class and where in the code it happened.
What the message of a fault says, which may hold such names, is logged at level debug alone.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

LOG = logging.getLogger("nucleoscope")
FRAMES = 8  # of a fault, the innermost
_PLAIN = re.compile(r"[\w.,:/+@%-]+")


def log(
    event: str, values: Mapping[str, object], level: int = logging.INFO, *, error: BaseException | None = None
) -> None:
    """Log one line.

    Args:
        event: what happened, in one word.
        values: what there is to tell; numbers, or words that no visitor chose. None is left out.
        level: of :mod:`logging`.
        error: the fault that it is about.
    """
    if LOG.isEnabledFor(level):
        LOG.log(level, event, exc_info=error, extra={"values": values})


def set_up_log(form: str, level: str) -> None:
    """Let everything that this process logs be lines on standard error.

    Args:
        form: "text" (key=value) or "json".
        level: "debug", "info", "warning" or "error".
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)  # of the libraries
    LOG.setLevel(level.upper())


def adopt_server_log() -> None:
    """Let the web server's own lines, which it has set up for itself by now, be like the others."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True


class _Lines(logging.Formatter):
    def values(self, record: logging.LogRecord) -> dict[str, Any]:
        """What a line says, in order."""
        told: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
        }
        if record.name == LOG.name:
            told["event"] = record.getMessage()
            told |= {key: value for key, value in vars(record).get("values", {}).items() if value is not None}
        else:
            # A library's words may hold names of files: they are for whoever looks for a fault.
            told |= {"event": "library", "library": record.name, "at": f"{record.module}:{record.lineno}"}
            if LOG.isEnabledFor(logging.DEBUG):
                told["message"] = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            told |= {"error": type(error).__name__, "where": _where(error.__traceback__)}
            if LOG.isEnabledFor(logging.DEBUG):
                told["message"] = str(error)
        return told


class _Text(_Lines):
    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{key}={_quoted(value)}" for key, value in self.values(record).items())


class _Json(_Lines):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.values(record), default=str)


def _quoted(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _where(trace: TracebackType | None) -> str:
    """The innermost frames: file, line and function."""
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{'/'.join(Path(code.co_filename).parts[-2:])}:{trace.tb_lineno}:{code.co_name}")
        trace = trace.tb_next
    return " ".join(frames[-FRAMES:])
