"""What the page keeps for a visitor between clicks, without Gradio: pictures in, results and failures out."""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segmentation.corrections import History, renumbered
from segmentation.instance_maps import DecodeParams
from segmentation.measurements import measure
from segmentation.overlay import to_display
from segmentation.pixel_size import PixelSize
from segmentation.projection import Projection
from segmentation.segmenter import Segmentation


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
        thumbnail: the labels that it was drawn of, and the small picture for the gallery.
        display: the picture ``(H, W, 3)`` for the eye, once it was asked for.
        own_pixel_size: what the file says, where the visitor said otherwise.
    """

    name: str
    result: Segmentation
    file_name: str
    sha256: str
    history: History
    own_pixel_size: PixelSize | None = field(init=False)
    thumbnail: tuple[NDArray, NDArray[np.uint8]] | None = field(init=False, default=None)
    display: NDArray[np.uint8] | None = field(init=False, default=None)
    _before: tuple[Segmentation, History] | None = field(init=False, default=None)

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

    def displayed(self) -> NDArray[np.uint8]:
        """The picture ``(H, W, 3)`` for the eye; kept, since its range is that of the whole picture."""
        if self.display is None:
            self.display = to_display(self.result.image)
        return self.display

    def decode(self, params: DecodeParams) -> None:
        """Other parameters; the network does not run. Corrections, which are of other nuclei, end until undone."""
        if self.history.corrections:
            self._before = self.result, self.history
        self.result = replace(self.result.decode(params), seconds=self.result.seconds)
        self.history = History(self.result.labels)

    @property
    def can_undo(self) -> bool:
        """Whether there is a correction to undo, or corrections that other parameters ended."""
        return self.history.can_undo or self._before is not None

    def undo(self) -> str:
        """Take back the last correction, or bring back those that other parameters ended; returns a word on it."""
        if self.history.can_undo:
            self.history = self.history.undo()
            return ""
        if self._before is None:
            return "Nothing to undo."
        (self.result, self.history), self._before = self._before, None
        return "Your corrections are back, on the nuclei as they were found then."

    def resize(self, pixel_size: PixelSize | None) -> None:
        """Another pixel size, or the file's own."""
        image = replace(self.result.image, pixel_size=pixel_size or self.own_pixel_size)
        self.result = replace(self.result, image=image)
        if self._before:
            self._before = replace(self._before[0], image=image), self._before[1]

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
        done: the pages of each file of which none failed.
        failures: (file name, sentence) for each picture that could not be segmented.
        paths: the files as uploaded, to be segmented again with other settings.
        reading: how they were read.
        model: that found the nuclei; None before the first picture.
        params: how nuclei were told apart, as the sliders stand; None before the first picture.
        accurate: whether turned and mirrored views were averaged.
        magnification: of the pictures before the network; None for the bundle's own.
        folder: for files to download; removed when the session is forgotten.
        before: what the page shows until this one's first picture is there.
        touched: the visitor has chosen, adjusted or corrected something of it, so the page must have it.
    """

    found: list[Found] = field(default_factory=list)
    done: list[list[Found]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    reading: Reading = Reading()
    model: str | None = None
    params: DecodeParams | None = None
    accurate: bool = False
    magnification: float | None = None
    folder: tempfile.TemporaryDirectory[str] | None = None
    before: "Session | None" = None
    touched: bool = False

    @property
    def shown(self) -> "Session":
        """What the page shows: this, or the session before while a run under way has brought nothing yet."""
        return self if self.before is None else self.before

    def begun(self) -> None:
        """The run has brought a picture, or a failure: from now on the page shows this session."""
        self.before = None

    @property
    def settings(self) -> tuple[str | None, Reading, bool, float | None]:
        """All that makes the network run again when it changes."""
        return self.model, self.reading, self.accurate, self.magnification

    def same_network(self, other: "Session") -> bool:
        """Whether the network's answers of one are those of the other, file by file."""
        others = replace(other.reading, pixel_size=self.reading.pixel_size)
        return self.settings == (other.model, others, other.accurate, other.magnification)

    @property
    def nbytes(self) -> int:
        """Memory that the pictures take, about."""
        own = sum(
            f.result.maps.nbytes
            + f.result.image.pixels.nbytes
            + 2 * f.result.labels.nbytes
            + (0 if f.display is None else f.display.nbytes)
            for f in self.found
        )
        return own + (self.before.nbytes if self.before else 0)

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
