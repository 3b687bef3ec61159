"""What is written of a slide, as it comes: labels, table, outlines, overview, and the record that says so."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.batch_ledger import RUN, THUMBNAILS, noted
from segmentation.batch_outcome import Page
from segmentation.batch_settings import Settings, fingerprint
from segmentation.exports import FORMATS, write_run
from segmentation.measurements import measure
from segmentation.microscopy_image import MicroscopyImage
from segmentation.run_record import run_record, sha256_of
from segmentation.segmenter import Progress, Segmentation, Segmenter
from segmentation.slide_graph import Numbering
from segmentation.slide_ledger import Ledger
from segmentation.slide_overview import Overview
from segmentation.slide_pyramid import write_pyramid
from segmentation.slide_reader import Slide
from segmentation.slide_tables import NucleiFiles
from segmentation.slide_tall import measure_tall
from segmentation.slide_windows import measure_window, outline_window, tall_nuclei, windows

SLIDE_FORMATS = ("labels", "overlay", "csv", "geojson", "run")  # what can be written without holding a slide
_LOOK_BACK = 128  # rows that nuclei reach up from the strip that they end in; few reach further


class SlideResults:
    """The files of one slide.

    Args:
        path: of the slide.
        slide: to read.
        settings: which files, and where to.
        segmenter: that found the nuclei.
        ledger: of the strips, all of them done.
        origin: what the results are made of and with, for the record.
        stem: of the files, below ``settings.out``.
        magnification: of the slide before the network.
        progress: called with the fraction done, in (0, 1].
    """

    def __init__(
        self,
        path: Path,
        slide: Slide,
        settings: Settings,
        segmenter: Segmenter,
        ledger: Ledger,
        origin: dict[str, Any],
        stem: str,
        magnification: float,
        progress: Progress,
    ) -> None:
        self.path, self.slide, self.settings, self.segmenter = path, slide, settings, segmenter
        self.ledger, self.origin, self.stem, self._progress = ledger, origin, stem, progress
        self.magnification = magnification
        self.place = settings.out / stem

    def write(self, numbering: Numbering, model: str, seconds: Callable[[], float]) -> tuple[Page, tuple[Path, ...]]:
        """Write everything; the record last, for it says that the others are there.

        Args:
            numbering: the nuclei.
            model: what the bundle is called.
            seconds: wall time so far, of all runs.

        Raises:
            OSError: if something cannot be written.
        """
        wanted = [key for key in SLIDE_FORMATS if key in self.settings.formats and key != "run"]
        paths = {key: self.place.with_name(self.place.name + FORMATS[key].suffix) for key in wanted}
        run = self.place.with_name(self.place.name + RUN)
        run.unlink(missing_ok=True)
        self._write_nuclei(numbering, paths)
        if "labels" in paths:
            name = repr(sorted(self.origin["source"].items())) + self.origin["settings"]
            write_pyramid(
                paths["labels"],
                self._timed(self._labels(numbering), 0.6, 1.0),
                self.slide.shape,
                scratch=self.ledger.scratch("level"),
                uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
                pixel_size=self.slide.pixel_size,
            )
        page = self._row(numbering, seconds())
        record = {**self._record(page, model), "slide": self.origin}
        made = fingerprint(self.settings, self.segmenter.bundle)
        write_run(run, noted(record, self.stem, page, 1, True, made, wanted))
        return page, (*paths.values(), run)

    def _write_nuclei(self, numbering: Numbering, paths: dict[str, Path]) -> None:
        slide, full = self.slide, self.settings.full
        tall = tall_nuclei(numbering)
        usual = np.setdiff1d(np.arange(1, numbering.count + 1), tall)
        nothing = np.zeros((1, 1), np.uint8), np.zeros((1, 1, slide.channels), slide.dtype)
        columns = measure(*nothing, pixel_size=slide.pixel_size, channel_names=slide.channel_names or None, full=full)
        overview = Overview(slide.shape, self.ledger.intensity)
        slide.kept_above = _LOOK_BACK
        files = NucleiFiles(paths.get("csv"), paths.get("geojson"), columns, np.concatenate([usual, tall]))
        with files:
            strips = self._timed(self._shown(numbering, overview), 0.0, 0.6)
            for window in windows(strips, numbering):
                if not {"csv", "geojson"} & paths.keys():
                    continue
                pixels = slide.read(slice(window.top, window.top + len(window.labels)))
                table = measure_window(window, pixels, slide.shape[0], slide.pixel_size, slide.channel_names, full=full)
                files.add(table, outline_window(window))
            for label in tall.tolist() if {"csv", "geojson"} & paths.keys() else ():
                first, last = numbering.reach[label].tolist()
                table, parts, step = measure_tall(label, self._labels(numbering), (first, last), slide, full=full)
                files.add(table, iter([(label, parts)]), step)
        picture = self.settings.out / THUMBNAILS / f"{self.stem}.jpg"
        overview.write(paths.get("overlay", self.ledger.scratch("overview.png")), picture)

    def _labels(self, numbering: Numbering) -> Iterator[NDArray[np.uint32]]:
        for strip, table in zip(self.ledger.read(), numbering.tables, strict=True):
            yield table[strip.ids]

    def _shown(self, numbering: Numbering, overview: Overview) -> Iterator[NDArray[np.uint32]]:
        """Labels, which the overview sees with their pixels on the way."""
        top = 0
        for labels in self._labels(numbering):
            overview.add(top, labels, self.slide.read(slice(top, top + len(labels))))
            top += len(labels)
            yield labels

    def _timed(self, strips: Iterator[NDArray[np.uint32]], begin: float, end: float) -> Iterator[NDArray[np.uint32]]:
        for index, strip in enumerate(strips):
            yield strip
            self._progress(begin + (end - begin) * (index + 1) / len(self.ledger.strips))

    def _row(self, numbering: Numbering, seconds: float) -> Page:
        """As :mod:`segmentation.batch` makes it."""
        height, width = self.slide.shape
        size, count = self.slide.pixel_size, numbering.count
        median = float(np.median(numbering.area[1:])) if count else None
        per_pixel = None if size is None else size.y * size.x
        return Page(
            image=self.stem,
            nuclei=count,
            width_px=width,
            height_px=height,
            density_per_mm2=None if per_pixel is None else count / (height * width * per_pixel / 1e6),
            density_per_megapixel=count / (height * width / 1e6),
            median_area_um2=None if median is None or per_pixel is None else median * per_pixel,
            median_area_px=median,
            seconds=round(seconds, 3),
            notes=" ".join(self.slide.notes),
        )

    def _record(self, page: Page, model: str) -> dict[str, Any]:
        slide, wanted, bundle = self.slide, self.settings, self.segmenter.bundle
        # A picture of the slide's size that takes no memory: the record asks for no more than its shape and dtype.
        pixels = np.broadcast_to(np.zeros((), slide.dtype), (*slide.shape, slide.channels))
        image = MicroscopyImage(pixels, slide.name, slide.notes, slide.pixel_size, slide.channel_names)
        nuclei = np.array([[page.nuclei]], np.uint32)
        maps = np.zeros((len(bundle.maps), 0, 0), np.float32)
        params, engine = wanted.params or bundle.decode, self.segmenter.engine
        result = Segmentation(image, maps, bundle.maps, nuclei, params, page.seconds, engine, self.magnification)
        record = run_record(
            result,
            bundle,
            model=model,
            accurate=wanted.accurate,
            channel=wanted.channel,
            pixel_size=slide.pixel_size,
        )
        record["picture"] |= {"sha256": sha256_of(self.path), "file_name": self.path.name}
        record["settings"] |= {"projection": wanted.projection, "page": wanted.page}
        return record
