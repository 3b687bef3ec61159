"""Requests that :mod:`benchmarks.load` sends, what must come of each, and the programs that send them."""

import hashlib
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import tifffile
from gradio_client import Client, handle_file  # type: ignore[import-untyped]
from gradio_client.exceptions import AppError  # type: ignore[import-untyped]
from PIL import Image

from segmentation import Segmenter
from segmentation.command_options import DEFAULT_MODEL
from segmentation.examples import make_example

SIDES = (64, 96, 128, 160, 192, 256, 320, 384, 448, 512)
PATIENCE_S = 120  # for one HTTP answer; gradio_client's own is 5, which a computer that sends and serves may need
BUSY = re.compile(r"busy: \d+ (?:are|of your own are) waiting; try again in about (\d+) seconds?\.")


@dataclass(frozen=True)
class Request:
    """A file to send, and what must come of it: the labels' checksum, or None for a file that must be refused."""

    path: Path
    expected: str | None


@dataclass
class Outcome:
    """What became of requests.

    Attributes:
        seconds: of each, from sending to the labels, busy answers and new tries included.
        wrong: a line for each that was lost, refused without reason, or another's.
        busy: how often a client was told to come again.
        wall: seconds of all of them together.
    """

    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    busy: int = 0
    wall: float = 0.0


def open_client(address: str, folder: Path) -> Client:
    """A program that puts what it gets into a folder of its own: equal results of two have the same name."""
    folder.mkdir(parents=True, exist_ok=True)
    return Client(
        address,
        verbose=False,
        download_files=folder,
        analytics_enabled=False,
        httpx_kwargs={"timeout": PATIENCE_S},
    )


def make_requests(folder: Path, count: int, sides: tuple[int, ...]) -> list[Request]:
    """Pictures of these sides and their labels' checksums, and for every tenth request a file that is no picture."""
    segmenter = Segmenter.from_pretrained(DEFAULT_MODEL, "cpu")
    good, bad = [], []
    for number in range(3 * len(sides)):
        side = sides[number % len(sides)]
        path = folder / f"cells-{number}.png"
        example = make_example("fluorescence", number, height=side, width=side + number, nuclei=max(side**2 // 2000, 2))
        Image.fromarray(example.pixels.squeeze()).save(path)
        good.append(Request(path, checksum(segmenter(path).labels)))
    whole = good[-1].path.read_bytes()
    for number, content in enumerate((b"", b"no picture", whole[: len(whole) // 2], b"PK\x03\x04" + whole, whole[8:])):
        path = folder / f"bad-{number}.png"
        path.write_bytes(content)
        bad.append(Request(path, None))
    return [bad[n // 10 % len(bad)] if n % 10 == 9 else good[n % len(good)] for n in range(count)]


def checksum(labels: np.ndarray) -> str:
    """Of the numbers and the shape."""
    return hashlib.sha256(str(labels.shape).encode() + labels.astype(np.uint32).tobytes()).hexdigest()


def send(clients: list[Client], requests: list[Request]) -> Outcome:
    """Let each client send one request after the other, until all are answered."""
    outcome, lock, waiting = Outcome(), threading.Lock(), iter(requests)

    def work(client: Client) -> None:
        while True:
            with lock:
                request = next(waiting, None)
            if request is None:
                return
            start, busy = time.perf_counter(), 0
            while True:
                try:
                    _, archive = client.predict(
                        picture=handle_file(request.path), formats=["labels"], api_name="/segment"
                    )
                except AppError as error:
                    if told := BUSY.match(str(error)):
                        busy += 1
                        time.sleep(min(int(told[1]), 5))
                        continue
                    named = str(error).startswith(f"{request.path.name}: ")
                    wrong = "" if named and request.expected is None else f"{request.path.name}: refused: {error}"
                except Exception as error:
                    wrong = f"{request.path.name}: lost: {type(error).__name__}: {error}"
                else:
                    wrong = _judge(request, Path(archive))
                break
            with lock:
                outcome.seconds.append(time.perf_counter() - start)
                outcome.busy += busy
                if wrong:
                    outcome.wrong.append(wrong)

    start = time.perf_counter()
    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(work, clients))
    outcome.wall = time.perf_counter() - start
    if len(outcome.seconds) != len(requests):
        outcome.wrong.append(f"{len(requests) - len(outcome.seconds)} requests were not answered")
    return outcome


def _judge(request: Request, archive: Path) -> str:
    with ZipFile(archive) as files, files.open(files.namelist()[0]) as file:
        found = checksum(tifffile.imread(file))
    archive.unlink()
    archive.parent.rmdir()
    return "" if found == request.expected else f"{request.path.name}: labels of another picture"
