"""Folders of results compared: every byte counts, but for the time of day and the seconds that something took."""

import csv
import io
import json
from pathlib import Path

SUMMARY, RECORD = "summary.csv", "_run.json"


def contents(out: Path) -> dict[str, bytes]:
    """Every file that people see, by its path, without what tells one run of the same batch from another.

    That is ``created``, ``result.seconds`` and ``batch.row.seconds`` of a ``run.json``, and the column ``seconds`` of
    ``summary.csv``; nothing else is left out.
    """
    found = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            found[name.as_posix()] = _without_times(path)
    return found


def half_written(out: Path) -> list[str]:
    """Hidden files and folders that killed processes left there."""
    return sorted(path.name for path in out.rglob(".*.part"))


def difference(found: dict[str, bytes], expected: dict[str, bytes], *, whole: bool = True) -> str:
    """What is not as expected, in a few words; empty if all is.

    Args:
        found: of the folder in question.
        expected: of the folder that it should be like.
        whole: everything has to be there; else what is there has to be as expected.
    """
    for name in sorted(found.keys() | expected.keys()):
        if name not in expected:
            return f"{name} should not be there"
        if name not in found:
            if whole:
                return f"{name} is missing"
        elif found[name] != expected[name]:
            return f"{name} differs"
    return ""


def _without_times(path: Path) -> bytes:
    data = path.read_bytes()
    try:
        if path.name.endswith(RECORD):
            record = json.loads(data)
            del record["created"], record["result"]["seconds"], record["batch"]["row"]["seconds"]
            return json.dumps(record).encode()
        if path.name == SUMMARY:
            rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
            return json.dumps([{key: value for key, value in row.items() if key != "seconds"} for row in rows]).encode()
    except (ValueError, KeyError, TypeError):
        return b"half a file: " + data
    return data
