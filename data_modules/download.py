"""Fetching a large file so that a broken connection costs nothing that had arrived."""

import http.client
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from segmentation.errors import DataError

_CHUNK = 1 << 20


def download(url: str, target: Path, *, tries: int = 5, wait_s: float = 2.0, timeout_s: float = 30.0) -> Path:
    """Download ``url`` to ``target`` with a progress bar; a file already there is kept.

    What arrives is kept in ``target.part``, and the next try, or the next run, asks for the rest only.

    Raises:
        DataError: after ``tries`` tries without a new byte, or when the server refuses.
    """
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    failures, error, most, restarted = 0, "no answer", _size(part), False
    while failures < tries:
        try:
            _fetch_rest(url, part, timeout_s)
            os.replace(part, target)
            return target
        except urllib.error.HTTPError as problem:
            if problem.code == 416 and not restarted:  # what we hold is longer than the file: start again, once
                part.unlink(missing_ok=True)
                most, restarted = 0, True
                continue
            if problem.code < 500 and problem.code != 429:
                raise DataError(
                    f"{url}: the server answered {problem.code} {problem.reason}; download the archive by hand and "
                    "name it with --data.source.init_args.root."
                ) from problem
            error = f"{problem.code} {problem.reason}"
        except (OSError, EOFError, http.client.HTTPException) as problem:
            error = str(problem) or type(problem).__name__
        failures = 0 if _size(part) > most else failures + 1
        most = max(most, _size(part))
        time.sleep(wait_s)
    raise DataError(
        f"{url}: could not be downloaded ({error}). Run the same command again to go on where it stopped, or download "
        "the archive by hand and name it with --data.source.init_args.root."
    )


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _fetch_rest(url: str, part: Path, timeout_s: float) -> None:
    have = _size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        if have and answer.status != 206:  # the server ignores ranges and sends all of it
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        with (
            part.open("ab" if have else "wb") as file,
            tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=part.stem) as bar,
        ):
            while chunk := answer.read1(_CHUNK):  # what is there, so that a stall loses none of it
                file.write(chunk)
                bar.update(len(chunk))
    if total is not None and part.stat().st_size != total:
        raise EOFError(f"the connection closed after {part.stat().st_size:,} of {total:,} bytes")
