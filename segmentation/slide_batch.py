"""Slides among the files of a batch: which they are, and what becomes of each. Loads little until there is one."""

import json
import math
import shutil
import sys
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tifffile
from tqdm import tqdm

from segmentation.atomic import FULL
from segmentation.batch import failure_sentence
from segmentation.batch_inputs import Task
from segmentation.batch_ledger import RUN
from segmentation.batch_outcome import Outcome, Page
from segmentation.batch_settings import Settings
from segmentation.errors import ImageReadError, NucleoscopeError, ParameterError
from segmentation.exports import FORMATS
from segmentation.limits import check_size
from segmentation.tiff_io import MAGIC

if TYPE_CHECKING:
    from segmentation.segmenter import Segmenter

STREAM_PIXELS = 64_000_000  # pages of more are read by region, where that can be
_LINE_EVERY_S = 60.0  # between lines on progress, where there is no screen for a bar


@dataclass(frozen=True)
class Streaming:
    """What is streamed, and how.

    Attributes:
        stream: True for every file, False for none, None for TIFF pages of more than ``STREAM_PIXELS``.
        empty_contrast: see :func:`segmentation.slide_segment.segment_slide`.
        quiet: say nothing meanwhile.

    Raises:
        ParameterError: for a contrast that is none.
    """

    stream: bool | None = None
    empty_contrast: float = 0.0
    quiet: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.empty_contrast < 1:
            raise ParameterError(
                f"empty_contrast={self.empty_contrast}: a part of the range from 0 (one colour alone) to below 1; 0.02 "
                "suits the glass of stained slides."
            )


def part_slides(tasks: Iterable[Task], settings: Settings, streaming: Streaming) -> tuple[list[Task], list[Task]]:
    """Tasks that are done in memory, and those that are streamed.

    Raises:
        ParameterError: if all shall be streamed, of which planes cannot be projected.
    """
    if streaming.stream and settings.projection:
        raise ParameterError("--stream reads one plane of a file; leave out --projection, and choose it with --page.")
    pictures: list[Task] = []
    slides: list[Task] = []
    for task in tasks:
        (slides if _is_slide(task, settings, streaming.stream) else pictures).append(task)
    return pictures, slides


def _is_slide(task: Task, settings: Settings, stream: bool | None) -> bool:
    if stream is not None or task.problem or settings.projection:
        return bool(stream) and not task.problem
    height, width = _size_of_tiff(task.path)
    if height * width <= STREAM_PIXELS:
        return False
    try:
        check_size(height, width, task.name)
    except ImageReadError:
        return True  # if it cannot be streamed either, the sentence on that names a cure
    from segmentation.slide_reader import open_slide

    try:
        with open_slide(task.path, channel=settings.channel, page=settings.page):
            return True
    except NucleoscopeError:
        return False  # whatever is wrong with it, it fits in memory


def _size_of_tiff(path: Path) -> tuple[int, int]:
    """Height and width of the first page, 0 where that is no TIFF or damaged."""
    try:
        if not path.is_file():  # reading from a pipe could wait for ever
            return 0, 0
        with path.open("rb") as file:
            if not file.read(4).startswith(MAGIC):
                return 0, 0
            file.seek(0)
            with tifffile.TiffFile(file) as tiff:
                return tiff.pages.first.imagelength, tiff.pages.first.imagewidth
    except Exception:  # whoever reads it then says what is wrong
        return 0, 0


def run_slides(
    tasks: Iterable[Task], segmenter: "Segmenter", settings: Settings, model: str, streaming: Streaming
) -> Generator[Outcome]:
    """Do slides one after another, each with all cores.

    Raises:
        OSError: if nothing can be written any more: the disk is full or read-only. What is done is kept.
    """
    for task in tasks:
        show = _Progress(task.name, quiet=streaming.quiet)
        try:
            yield _process(task, segmenter, settings, model, streaming, show)
        finally:
            show.close()


def _process(
    task: Task, segmenter: "Segmenter", settings: Settings, model: str, streaming: Streaming, show: "_Progress"
) -> Outcome:
    from segmentation.slide_ledger import work_folder
    from segmentation.slide_segment import SLIDE_FORMATS, made_with, segment_slide  # loads SciPy's graphs

    outcome = Outcome(task.index, task.name, task.stem)
    try:
        if task.path.exists() and not task.path.is_file():
            raise ImageReadError(f"{task.path}: a folder, pipe or device is no picture; name a file.")
        wanted = tuple(key for key in SLIDE_FORMATS if key in settings.formats)
        if settings.resume:
            page = _done(
                settings.out / task.stem,
                made_with(task.path, settings, segmenter, (streaming.empty_contrast, True)),
                wanted,
            )
            if page is not None:
                shutil.rmtree(work_folder(settings.out / task.stem), ignore_errors=True)  # if it was killed just then
                return replace(outcome, pages=(page,), skipped=True)
        result = segment_slide(
            task.path,
            settings,
            segmenter,
            model=model,
            stem=task.stem,
            empty_contrast=streaming.empty_contrast,
            progress=show.update,
            say=show.say,
        )
    except Exception as error:  # a fault of one file must not stop the others
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        return replace(outcome, error=failure_sentence(error, task))
    notes = list(result.notes)
    if left := [key for key in settings.formats if key not in SLIDE_FORMATS]:
        notes.append(f"{', '.join(left)}: not written for files that are read by region.")
    if result.skipped:
        notes.append(f"{result.skipped:,} of {result.skipped + result.tiles:,} tiles are empty.")
    return replace(outcome, pages=(result.page,), understood=result.understood, notes=tuple(notes))


def _done(place: Path, origin: dict[str, Any], formats: tuple[str, ...]) -> Page | None:
    """A slide's row, if all of it was done of the same file in the same way."""
    try:
        record = json.loads(place.with_name(place.name + RUN).read_text(encoding="utf-8"))
        files = [place.with_name(place.name + FORMATS[key].suffix) for key in formats]
        if record["slide"] == json.loads(json.dumps(origin)) and all(path.is_file() for path in files):
            return Page(**record["batch"]["row"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


class _Progress:
    """A bar where somebody looks, and else a line now and then: how much is done, and how long it will take."""

    def __init__(self, name: str, *, quiet: bool) -> None:
        self._name, self._quiet = name, quiet
        self._start, self._begin, self._told = time.monotonic(), math.nan, 0.0
        self._bar: tqdm | None = None
        if not quiet and sys.stderr.isatty():
            layout = "{desc}: {percentage:3.0f}% |{bar}| {elapsed} gone{postfix}"
            self._bar = tqdm(total=1.0, desc=name, bar_format=layout, dynamic_ncols=True, leave=False)

    def update(self, fraction: float) -> None:
        """So much is done, of 1."""
        now = time.monotonic()
        if math.isnan(self._begin):
            self._start, self._begin = now, fraction  # what an earlier run did says nothing about this one's pace
        pace = (fraction - self._begin) / max(now - self._start, 1e-9)
        left = time_left((1 - fraction) / pace) if pace > 0 and now - self._start > 2 else ""
        if self._bar is not None:
            self._bar.set_postfix_str(left, refresh=False)
            self._bar.update(max(fraction - self._bar.n, 0))
        elif not self._quiet and now - max(self._told, self._start) > _LINE_EVERY_S and fraction < 1:
            self._told = now
            print(f"{self._name}: {fraction:.0%} done{', ' if left else ''}{left}", flush=True)

    def say(self, sentence: str) -> None:
        """For people."""
        if not self._quiet:
            tqdm.write(f"{self._name}: {sentence}")

    def close(self) -> None:
        """It has ended."""
        if self._bar is not None:
            self._bar.close()


def time_left(seconds: float) -> str:
    """``about 40 s left``, ``about 25 min left``, ``about 3.5 h left``."""
    if seconds < 90:
        return f"about {max(round(seconds / 5) * 5, 5)} s left"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min left"
    return f"about {seconds / 3600:.1f} h left"
