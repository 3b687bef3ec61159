"""One file of a batch -> its results: the command line, its worker processes and Lightning's predict all use this."""

import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from segmentation.atomic import FULL
from segmentation.batch_inputs import Task
from segmentation.batch_ledger import RUN, Ledger, noted
from segmentation.batch_outcome import Outcome, Page
from segmentation.batch_settings import Settings, fingerprint
from segmentation.bundle import Bundle
from segmentation.errors import ImageReadError, NucleoscopeError
from segmentation.exports import run_record, write_all, write_run
from segmentation.image_info import describe
from segmentation.image_io import MicroscopyImage, read_images
from segmentation.measurements import measure
from segmentation.run_record import sha256_of
from segmentation.segmenter import Segmentation, Segmenter
from segmentation.terminal import one_line, printable
from segmentation.thumbnails import write_thumbnail


class Batch:
    """Segments files one by one and writes their results.

    Args:
        settings: how, and where to.
        bundle: that ``segment`` uses, for the record and for ``resume``; its revision must be known.
        model: what the bundle is called.
        segment: finds the nuclei of a picture, by these settings.
    """

    def __init__(
        self, settings: Settings, bundle: Bundle, model: str, segment: Callable[[MicroscopyImage], Segmentation]
    ) -> None:
        self.settings, self.bundle, self.model, self._segment = settings, bundle, model, segment
        self._formats = tuple(key for key in settings.formats if key != "run")
        self._ledger = Ledger(settings.out)
        self._fingerprint = fingerprint(settings, bundle)

    @classmethod
    def of(cls, segmenter: Segmenter, settings: Settings, model: str) -> "Batch":
        """A batch that a segmenter does."""
        segment = partial(
            segmenter,
            params=settings.params,
            accurate=settings.accurate,
            magnification=settings.magnification,
        )
        return cls(settings, segmenter.bundle, model, segment)

    def process(self, task: Task) -> Outcome:
        """Segment a file and write the results of each of its pages; whatever is wrong with it is in the outcome.

        Raises:
            OSError: if nothing can be written any more: the disk is full or read-only.
        """
        outcome = Outcome(task.index, task.name, task.stem)
        try:
            if task.problem:
                raise ImageReadError(task.problem)
            digest = _sha256(task.path)
            before = self._ledger.entries(task.stem)
            made_with = digest, self._fingerprint
            if self.settings.resume and self._ledger.finished(before, made_with, self._formats):
                return replace(outcome, pages=tuple(entry.page for entry in before), skipped=True)
        except NucleoscopeError as error:
            return replace(outcome, error=failure_sentence(error, task))
        work = _Work(self, task, digest)
        try:
            info = describe(task.path)
            outcome = replace(outcome, understood=info.sentence(), notes=info.notes)
            for page in work.pages():
                work.write(page)
            self._ledger.remove_left_over(before, [page.image for page in work.done])
            work.finish()
        except Exception as error:  # a fault of one file, even one of ours, must not stop the others
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            outcome = replace(outcome, error=failure_sentence(error, task))
        notes = dict.fromkeys([*outcome.notes, *work.notes])
        return replace(outcome, pages=tuple(work.done), notes=tuple(notes), parts=work.parts)


class _Work:
    """One file on its way through a :class:`Batch`."""

    def __init__(self, batch: Batch, task: Task, digest: str) -> None:
        self.batch, self.task, self.digest = batch, task, digest
        self.settings = batch.settings
        self.done: list[Page] = []
        self.notes: list[str] = []
        self.parts = dict.fromkeys(("read", "segment", "measure", "write"), 0.0)
        self._pending: tuple[Path, dict[str, Any], Page] | None = None

    def pages(self) -> Iterator[Segmentation]:
        """Read and segment every page."""
        wanted = self.settings
        images = read_images(self.task.path, channel=wanted.channel, page=wanted.page, projection=wanted.projection)
        while True:
            with self._clock("read"):
                image = next(images, None)
            if image is None:
                return
            with self._clock("segment"):
                result = self.batch._segment(image)
            yield result

    def write(self, result: Segmentation) -> None:
        """Measure and write one page; its record waits until it is known whether it is the last."""
        self._write_record(last=False)
        wanted, image, bundle = self.settings, result.image, self.batch.bundle
        self.notes += image.notes
        with self._clock("measure"):
            names = image.channel_names or None
            table = measure(
                result.labels, image.pixels, pixel_size=image.pixel_size, channel_names=names, full=wanted.full
            )
        with self._clock("write"):
            stem = self.task.stem + image.name[len(self.task.path.stem) :]
            page = _row(stem, result)
            record = run_record(
                result,
                bundle,
                model=self.batch.model,
                accurate=wanted.accurate,
                channel=wanted.channel,
                pixel_size=image.pixel_size,
            )
            record["picture"] |= {"sha256": self.digest, "file_name": self.task.path.name}
            record["settings"] |= {"projection": wanted.projection, "page": wanted.page}
            place = wanted.out / stem
            # An older record would say of what a killed run leaves, half of it new, that it belongs together.
            place.with_name(place.name + RUN).unlink(missing_ok=True)
            write_all(place.parent, place.name, result, table, record, self.batch._formats)
            write_thumbnail(self.batch._ledger.thumbnail(stem), result)
        self._pending = place.with_name(place.name + RUN), record, page
        self.done.append(page)

    def finish(self) -> None:
        """No further page."""
        self._write_record(last=True)

    def _write_record(self, *, last: bool) -> None:
        # After everything else of its picture: a record says that the rest is there.
        if self._pending is not None:
            with self._clock("write"):
                path, record, page = self._pending
                part = len(self.done)
                formats = self.batch._formats
                write_run(path, noted(record, self.task.stem, page, part, last, self.batch._fingerprint, formats))

    @contextmanager
    def _clock(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.parts[part] += time.perf_counter() - start


def _row(stem: str, result: Segmentation) -> Page:
    height, width = result.image.shape
    areas = np.bincount(result.labels.ravel())[1:]
    median = float(np.median(areas)) if len(areas) else None
    size = result.image.pixel_size
    per_pixel = None if size is None else size.y * size.x  # square micrometres
    return Page(
        image=stem,
        nuclei=result.count,
        width_px=width,
        height_px=height,
        density_per_mm2=None if per_pixel is None else result.count / (height * width * per_pixel / 1e6),
        density_per_megapixel=result.count / (height * width / 1e6),
        median_area_um2=None if median is None or per_pixel is None else median * per_pixel,
        median_area_px=median,
        seconds=round(result.seconds, 3),
        notes=" ".join(result.image.notes),
    )


def _sha256(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading from a pipe could wait for ever
            raise ImageReadError(f"{path}: a folder, pipe or device is no picture; name a file.")
        return sha256_of(path)
    except OSError as error:
        raise ImageReadError(f"{path}: cannot be read ({error.strerror or error}); check the path.") from error


def failure_sentence(error: Exception, task: Task) -> str:
    """What people are told of a file that failed."""
    if isinstance(error, NucleoscopeError):
        return printable(str(error))
    reason = one_line(str(error), 200)
    name = printable(task.path.name)
    out_of_memory = (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in reason
    )
    if out_of_memory:
        return f"{name}: too large for the memory that is left; crop it, or use fewer --jobs."
    if isinstance(error, OSError):
        return f"{error.filename or name}: cannot be written ({error.strerror or reason}); check the output folder."
    return f"{name}: an unexpected fault ({type(error).__name__}: {reason}); please report it with the picture."
