"""What the page keeps for a visitor between clicks, without Gradio: pictures in, results and failures out."""

import hashlib
import html
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.corrections import History, renumbered
from segmentation.errors import NucleoscopeError
from segmentation.image_io import read_images
from segmentation.instance_maps import DecodeParams
from segmentation.measurements import measure, summary
from segmentation.pixel_size import PixelSize
from segmentation.projection import Projection
from segmentation.segmenter import Segmentation, Segmenter
from segmentation.writers import free_name

FULL_MEASUREMENTS = 20_000  # nuclei; with more of them the page leaves the slow measurements to the files
HIDDEN = ("bbox_", "min_intensity", "max_intensity")  # in the files, but not in the page's table


@dataclass(frozen=True)
class Reading:
    """How files are to be read, where they leave a choice.

    Attributes:
        channel: this one alone, counted from 0; None takes grey and RGB pictures whole.
        projection: of a stack's planes into one; None segments them one by one.
        pixel_size: micrometres a pixel, instead of what the file says; 0 takes the file's word.
    """

    channel: int | None = None
    projection: Projection | None = None
    pixel_size: float = 0.0


@dataclass(eq=False)
class Found:
    """One picture (a file, or one page of it) with its nuclei.

    Attributes:
        name: unique on the page; files are called by it.
        result: what the network found, by the parameters at hand.
        file_name: as the visitor knows it.
        sha256: of the file.
        history: what was corrected by hand.
        own_pixel_size: what the file says, where the visitor said otherwise.
    """

    name: str
    result: Segmentation
    file_name: str
    sha256: str
    history: History
    own_pixel_size: PixelSize | None = field(init=False)

    def __post_init__(self) -> None:
        self.own_pixel_size = self.result.image.pixel_size

    @property
    def labels(self) -> NDArray:
        """``(H, W)``, corrected; 1..n without gaps only after :meth:`final`."""
        return self.history.labels

    @property
    def count(self) -> int:
        """Number of nuclei, corrections included."""
        return int(np.count_nonzero(np.bincount(self.labels.ravel())[1:]))

    def decode(self, params: DecodeParams) -> None:
        """Other parameters; the network does not run. Corrections are of other nuclei, and end."""
        self.result = replace(self.result.decode(params), seconds=self.result.seconds)
        self.history = History(self.result.labels)

    def resize(self, pixel_size: PixelSize | None) -> None:
        """Another pixel size, or the file's own."""
        image = replace(self.result.image, pixel_size=pixel_size or self.own_pixel_size)
        self.result = replace(self.result, image=image)

    def table(self, *, full: bool = False) -> pd.DataFrame:
        """Measurements of every nucleus; see :func:`segmentation.measurements.measure`."""
        return self.measured(self.labels, full=full)

    def measured(self, labels: NDArray, *, full: bool = False) -> pd.DataFrame:
        """Measurements of other labels of this picture, such as the renumbered ones."""
        image = self.result.image
        return measure(
            labels,
            image.pixels,
            pixel_size=image.pixel_size,
            channel_names=image.channel_names or None,
            full=full,
        )

    def final(self) -> Segmentation:
        """The result as it goes into files: corrected, and numbered without gaps."""
        return replace(self.result, labels=renumbered(self.labels))


@dataclass(eq=False)
class Session:
    """One visitor's pictures.

    Attributes:
        found: one for each page of each readable picture, in order.
        failures: (file name, sentence) for each picture that could not be segmented.
        paths: the files as uploaded, to be segmented again with other settings.
        reading: how they were read.
        accurate: whether turned and mirrored views were averaged.
        magnification: of the pictures before the network; None for the bundle's own.
        folder: for files to download; removed when the session is forgotten.
    """

    found: list[Found] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    reading: Reading = Reading()
    accurate: bool = False
    magnification: float | None = None
    folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def nbytes(self) -> int:
        """Memory that the pictures take, about."""
        return sum(f.result.maps.nbytes + f.result.image.pixels.nbytes + 2 * f.result.labels.nbytes for f in self.found)

    def names(self) -> list[str]:
        """Of all pictures, in order."""
        return [found.name for found in self.found]

    def of(self, name: str | None) -> Found | None:
        """The picture of that name, else the first, else None."""
        return next((found for found in self.found if found.name == name), self.found[0] if self.found else None)

    def place(self) -> Path:
        """The folder for downloads."""
        self.folder = self.folder or tempfile.TemporaryDirectory(prefix="nucleoscope-")
        return Path(self.folder.name)


def segment_files(
    session: Session,
    segmenter: Segmenter,
    paths: list[tuple[str, Path]],
    params: DecodeParams,
    progress: Callable[[float, str], None],
) -> Iterator[None]:
    """Segment every page of every file into ``session``; yields after each file. A bad one is noted, the others go on.

    Args:
        session: says how, and takes results and failures.
        segmenter: the model.
        paths: (name, file).
        params: how nuclei are told apart.
        progress: called with the fraction done and what is being done.
    """
    reading = session.reading
    taken = {found.name.lower() for found in session.found}
    for number, (name, path) in enumerate(paths):
        base, share = number / len(paths), 1 / len(paths)

        def report(
            done: float, base: float = base, share: float = share, number: int = number, name: str = name
        ) -> None:
            which = f" ({number + 1} of {len(paths)})" if len(paths) > 1 else ""
            progress(base + share * done, f"Segmenting {name}{which}")

        report(0.0)
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            for page in read_images(path, name=Path(name).stem, channel=reading.channel, projection=reading.projection):
                result = segmenter(
                    page,
                    params,
                    accurate=session.accurate,
                    magnification=session.magnification,
                    progress=report,
                )
                found = Found(free_name(result.image.name, taken), result, name, digest, History(result.labels))
                if reading.pixel_size:
                    found.resize(PixelSize(reading.pixel_size, reading.pixel_size))
                session.found.append(found)
        except NucleoscopeError as error:
            session.failures.append((name, str(error)))
        except FileNotFoundError:
            session.failures.append((name, f"{name}: the file is no longer on the server; drop it again."))
        except MemoryError:
            session.failures.append((name, f"{name}: too large for this computer's memory; crop it."))
        yield


def page_table(found: Found) -> pd.DataFrame:
    """The measurements that the page shows."""
    table = found.table(full=found.history.labels.max() <= FULL_MEASUREMENTS)
    return table[[name for name in table.columns if not name.startswith(HIDDEN)]]


def summary_html(found: Found, table: pd.DataFrame) -> str:
    """Count, density, median area, size and notes of one picture, escaped."""
    image, result = found.result.image, found.result
    height, width = image.shape
    if result.params.mode == "mask":
        count = f"{100 * float((found.labels > 0).mean()):.1f} % of the picture"
    else:
        count = f"{len(table):,} {'nucleus' if len(table) == 1 else 'nuclei'}"
    facts = summary(table, image.shape, image.pixel_size)
    units = {"density_per_mm2": "nuclei a mm²", "density_per_megapixel": "nuclei a megapixel"}
    told = [f"{facts[key]:,.0f} {unit}" for key, unit in units.items() if key in facts]
    for key, unit in (("median_area_um2", "µm²"), ("median_area_px", "pixels")):
        if key in facts and facts[key] == facts[key]:  # no median of nothing
            told.append(f"median area {facts[key]:,.4g} {unit}")
    size = f"{image.pixel_size.x:g} µm a pixel" if image.pixel_size else "no pixel size: lengths in pixels"
    detail = (
        f"{html.escape(image.name)}: {width} x {height}, {image.colours}, {image.pixels.dtype}, {size}; "
        f"segmented in {result.seconds:.2f} s"
    )
    notes = "".join(f"<div class='note'>{html.escape(note)}</div>" for note in image.notes)
    return (
        f"<div class='count'>{count}</div><div class='facts'>{' · '.join(told)}</div>"
        f"<div class='detail'>{detail}</div>{notes}"
    )


def overview(session: Session) -> list[list[str | int]]:
    """Rows of picture, nuclei, size, seconds and notes; failures last."""
    rows: list[list[str | int]] = []
    for found in session.found:
        image = found.result.image
        size = f"{image.shape[1]} x {image.shape[0]} {image.colours} {image.pixels.dtype}"
        rows.append([found.name, found.count, size, f"{found.result.seconds:.2f}", " ".join(image.notes)])
    return rows + [[name, "failed", "", "", sentence] for name, sentence in session.failures]
