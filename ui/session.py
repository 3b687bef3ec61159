"""What the page keeps for a visitor between clicks, without Gradio: pictures in, results and failures out."""

import html
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segmentation.errors import NucleoscopeError
from segmentation.image_io import read_images
from segmentation.instance_maps import DecodeParams
from segmentation.overlay import draw_overlay, to_display
from segmentation.segmenter import Segmentation, Segmenter
from segmentation.writers import free_name, write_labels

MAX_DISPLAY = 1600  # pixels a side on the page; files keep the picture's own size


@dataclass(eq=False)
class Session:
    """One visitor's pictures.

    Attributes:
        results: one for each page of each readable picture, in order.
        failures: (file name, sentence) for each picture that could not be segmented.
        folder: for files to download; removed when the last copy of the session is forgotten.
    """

    results: list[Segmentation] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    folder: tempfile.TemporaryDirectory[str] | None = None

    def names(self) -> list[str]:
        """What the picker shows and files are called; equal names are numbered."""
        taken: set[str] = set()
        return [free_name(result.image.name, taken) for result in self.results]

    def table(self) -> list[list[str | int]]:
        """Rows of picture, nuclei, size, seconds and notes; failures last."""
        rows: list[list[str | int]] = [
            [name, result.count, _size(result), f"{result.seconds:.2f}", " ".join(result.image.notes)]
            for name, result in zip(self.names(), self.results, strict=True)
        ]
        return rows + [[name, "failed", "", "", sentence] for name, sentence in self.failures]


def segment_files(
    segmenter: Segmenter,
    paths: list[Path],
    params: DecodeParams,
    progress: Callable[[float, str], None],
    *,
    accurate: bool = False,
    magnification: float | None = None,
) -> Session:
    """Segment every page of every file; a bad file is reported and the others go on."""
    session = Session()
    for number, path in enumerate(paths):
        base, share = number / len(paths), 1 / len(paths)

        def report(done: float, base: float = base, share: float = share, name: str = path.name) -> None:
            progress(base + share * done, f"Segmenting {name}")

        report(0.0)
        try:
            for page in read_images(path):
                session.results.append(
                    segmenter(page, params, accurate=accurate, magnification=magnification, progress=report)
                )
        except NucleoscopeError as error:
            session.failures.append((path.name, str(error)))
        except MemoryError:
            session.failures.append((path.name, f"{path.name}: too large for this computer's memory; crop it."))
    return session


def redecode(session: Session, params: DecodeParams) -> Session:
    """The same pictures with other parameters; the network does not run."""
    results = [replace(result.decode(params), seconds=result.seconds) for result in session.results]
    return Session(results, session.failures, session.folder)


def render(result: Segmentation, *, style: str, opacity: float) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Picture and overlay for the page, at most ``MAX_DISPLAY`` pixels a side."""
    display, labels = to_display(result.image), result.labels
    largest = max(labels.shape)
    if largest > MAX_DISPLAY:
        size = tuple(max(1, round(extent * MAX_DISPLAY / largest)) for extent in labels.shape[::-1])
        display = np.asarray(Image.fromarray(display).resize((size[0], size[1]), Image.Resampling.LANCZOS))
        shrunk = Image.fromarray(labels.astype(np.int32)).resize((size[0], size[1]), Image.Resampling.NEAREST)
        labels = np.asarray(shrunk)
    # On small pictures one pixel is wide enough; on large ones it would vanish when the browser shrinks it.
    width = 1 if max(labels.shape) <= 800 else 2
    overlay = draw_overlay(
        display, labels, style="fill" if style == "Fill" else "outline", opacity=opacity, width=width
    )
    return display, overlay


def save_labels(session: Session, folder: Path | None = None) -> list[str]:
    """Write each result's label TIFF, by default into the session's own folder; returns the paths."""
    if not session.results:
        return []
    if folder is None:
        session.folder = session.folder or tempfile.TemporaryDirectory(prefix="nucleoscope-")
        folder = Path(session.folder.name)
    return [
        str(write_labels(folder / f"{name}_labels.tif", result.labels))
        for name, result in zip(session.names(), session.results, strict=True)
    ]


def _size(result: Segmentation) -> str:
    height, width = result.image.shape
    return f"{width} x {height} {result.image.colours} {result.image.pixels.dtype}"


def summary_html(result: Segmentation) -> str:
    """Count, size and notes of one picture, escaped."""
    height, width = result.image.shape
    if result.params.mode == "mask":
        share = float((result.labels > 0).mean())
        count = f"{100 * share:.1f} % of the picture"
    else:
        count = f"{result.count:,} {'nucleus' if result.count == 1 else 'nuclei'}"
    detail = (
        f"{html.escape(result.image.name)}: {width} x {height}, {result.image.colours}, {result.image.pixels.dtype}; "
        f"segmented in {result.seconds:.2f} s"
    )
    notes = "".join(f"<div class='note'>{html.escape(note)}</div>" for note in result.image.notes)
    return f"<div class='count'>{count}</div><div class='detail'>{detail}</div>{notes}"
