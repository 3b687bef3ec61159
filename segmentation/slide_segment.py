"""A slide that does not fit in memory -> its nuclei, disk to disk: the labels, outlines and numbers of the whole."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segmentation.automatic_magnification import Measured
from segmentation.batch_outcome import Page
from segmentation.batch_settings import Settings, fingerprint
from segmentation.segmenter import Progress, Segmenter
from segmentation.slide_graph import Numbering, number_nuclei
from segmentation.slide_ledger import Ledger, check_space, source_of, work_folder
from segmentation.slide_maps import TileReader, stream_maps
from segmentation.slide_reader import Slide, open_slide
from segmentation.slide_results import SLIDE_FORMATS, SlideResults
from segmentation.slide_watershed import margin_of, split_strip

__all__ = ["SLIDE_FORMATS", "SlideResult", "describe_slide", "made_with", "segment_slide"]

STRIP = 2**23  # pixels of a slide that are decoded together
_VERSION = 2  # of what is kept between runs
_SHARES = (0.04, 0.84, 0.12)  # of the time: measuring, the network and decoding, writing


@dataclass(frozen=True)
class SlideResult:
    """What became of a slide.

    Attributes:
        page: its row of the summary.
        files: what was written.
        notes: sentences on what was decided.
        tiles: tiles that the network saw.
        skipped: tiles of one colour, whose answer was known.
        understood: what the slide is, in one line.
    """

    page: Page
    files: tuple[Path, ...]
    notes: tuple[str, ...]
    tiles: int
    skipped: int
    understood: str

    @property
    def count(self) -> int:
        """Number of nuclei."""
        return self.page.nuclei


def segment_slide(
    path: str | Path,
    settings: Settings,
    segmenter: Segmenter,
    *,
    model: str = "",
    stem: str | None = None,
    empty_contrast: float = 0.0,
    skip_empty: bool = True,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
) -> SlideResult:
    """Segment a TIFF of any size by region, with the labels that :class:`Segmenter` would give of the whole.

    Args:
        path: of the slide; see :func:`segmentation.slide_reader.open_slide`.
        settings: how, and where to; of the formats those in ``SLIDE_FORMATS`` are written.
        segmenter: finds the nuclei.
        model: what the bundle is called, for the record.
        stem: of the results, below ``settings.out``; the slide's own by default.
        empty_contrast: tiles whose values span no more of the range than this are taken for empty; by 0 only those of
            one colour, which changes nothing in the result.
        skip_empty: whether to skip them.
        progress: called with the fraction done, in (0, 1].
        say: called with sentences for people while it runs.

    Raises:
        ImageReadError: it cannot be read by region, or is damaged.
        ImageShapeError: channels or planes have to be chosen.
        NucleoscopeError: the disk has too little space left.
        OSError: if results cannot be written; what is done is kept for ``settings.resume``.
    """
    path = Path(path)
    with open_slide(path, channel=settings.channel, page=settings.page) as slide:
        work = _Work(path, slide, settings, segmenter, stem or path.stem, progress or (lambda fraction: None))
        tiles, numbering = work.find(empty_contrast, skip_empty, say)
        page, files = work.write(numbering, model)
        return SlideResult(page, files, slide.notes, tiles.run, tiles.skipped, describe_slide(slide))


def describe_slide(slide: Slide) -> str:
    """What a slide is, in one plain line."""
    height, width = slide.shape
    size = "" if slide.pixel_size is None else f", {slide.pixel_size.x:.4g} \N{MICRO SIGN}m a pixel"
    colours = "RGB" if slide.channels == 3 else "grey"
    return f"{width} x {height}, {colours}, {8 * slide.dtype.itemsize} bit{size}, read by region"


def made_with(path: Path, settings: Settings, segmenter: Segmenter, empty: tuple[float, bool]) -> dict[str, Any]:
    """All that has an influence on a slide's results, as JSON values.

    Raises:
        OSError: if the slide cannot be read.
    """
    return {
        "version": _VERSION,
        "source": source_of(path),
        "settings": fingerprint(settings, segmenter.bundle),
        "empty_contrast": empty[0],
        "skip_empty": empty[1],
    }


class _Work:
    """One slide on its way."""

    def __init__(
        self, path: Path, slide: Slide, settings: Settings, segmenter: Segmenter, stem: str, progress: Progress
    ) -> None:
        self.path, self.slide, self.settings, self.segmenter = path, slide, settings, segmenter
        self.bundle = segmenter.bundle
        self.params = settings.params or self.bundle.decode
        self.place, self.stem = settings.out / stem, stem
        self._progress, self._start = progress, time.perf_counter()

    def find(
        self, empty_contrast: float, skip_empty: bool, say: Callable[[str], None] | None
    ) -> tuple[TileReader, Numbering]:
        """Measure, run the network and decode, from where an earlier run stopped."""
        height, width = self.slide.shape
        self.place.parent.mkdir(parents=True, exist_ok=True)
        check_space(self.place.parent, height * width)
        self.origin = made_with(self.path, self.settings, self.segmenter, (empty_contrast, skip_empty))
        self.ledger = Ledger(work_folder(self.place), self.origin, resume=self.settings.resume)
        self._before = self.ledger.seconds
        if say is not None:
            for note in self.ledger.notes:
                say(note)
            if self.ledger.strips:
                last = self.ledger.last
                assert last is not None
                say(f"{last.bottom:,} of {height:,} rows were done before.")
        for fraction in self.ledger.measure(self.slide, self.bundle.preprocessing):
            self._report(0, fraction)
        intensity, factor = self.ledger.intensity, self.settings.magnification
        if factor is None:
            whole = Measured(self.slide.shape, lambda tile: self.slide.read(*tile), intensity)
            factor = self.segmenter.magnification_of(whole, accurate=self.settings.accurate)
        self.magnification = factor
        network = self.segmenter.tiles(intensity, factor, accurate=self.settings.accurate)
        tiles = TileReader(
            self.slide,
            network,
            contrast=empty_contrast,
            threshold=self.params.threshold,
            foreground=self.bundle.maps.index("foreground"),
            skip=skip_empty,
        )
        names, margin = self.bundle.maps, margin_of(self.params, self.bundle.maps)
        above = self.ledger.last
        done = above.bottom if above else 0
        bands = stream_maps(
            tiles,
            len(names),
            height,
            width,
            tile=network.side,
            overlap=network.overlap,
            context=2 * margin + 1,
            first=max(done - margin - 1, 0),
            progress=lambda number, total: self._report(1, number / total),
        )
        rows = max(STRIP // width, 1)
        for band in bands if done < height else ():
            final = band.top + band.maps.shape[1]
            end = height if final == height else final - margin
            while done < end:
                strip = slice(done, min(done + rows, end))
                view = band.maps[:, max(strip.start - margin - band.top, 0) : strip.stop + margin - band.top]
                first = max(band.top, strip.start - margin)
                above = split_strip(view, first, strip, height, self.params, names, above)
                self.ledger.spend(self._seconds())
                self.ledger.add(above)
                done = strip.stop
        return tiles, number_nuclei(self.ledger.read(), self.params)

    def write(self, numbering: Numbering, model: str) -> tuple[Page, tuple[Path, ...]]:
        """All results, and then nothing of what was needed meanwhile."""
        results = SlideResults(
            self.path,
            self.slide,
            self.settings,
            self.segmenter,
            self.ledger,
            self.origin,
            self.stem,
            self.magnification,
            lambda fraction: self._report(2, fraction),
        )
        page, files = results.write(numbering, model, self._seconds)
        self.ledger.remove()
        self._progress(1.0)
        return page, files

    def _seconds(self) -> float:
        return self._before + time.perf_counter() - self._start

    def _report(self, stage: int, fraction: float) -> None:
        done = sum(_SHARES[:stage]) + _SHARES[stage] * fraction
        self._progress(min(done, 0.999))
