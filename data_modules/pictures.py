"""What every source of labelled pictures offers, and what can be said of a picture by looking at it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Kind = Literal["fluorescence", "brightfield", "tissue"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, eq=False)
class LabelledPicture:
    """A picture with its true labels.

    Attributes:
        pixels: ``(H, W, C)`` as stored; C is 1 or 3.
        labels: ``(H, W)`` int32, 0 the background; one value a nucleus, gaps allowed.
        name: unique in its source.
        kind: see :func:`kind_of_picture`.
    """

    pixels: NDArray
    labels: NDArray[np.int32]
    name: str
    kind: Kind


@dataclass(frozen=True)
class PictureInfo:
    """What splitting needs to know of a picture without opening it.

    Attributes:
        name: unique in its source.
        kind: splits hold every kind in equal shares.
        group: pictures of one group never part: quarters of a field, one slide, one experiment.
    """

    name: str
    kind: Kind
    group: str


class PictureSource(ABC):
    """Where labelled pictures come from. ``prepare`` runs once a machine, ``setup`` in every process."""

    def prepare(self) -> None:  # noqa: B027  (a source with nothing to prepare is complete without it)
        """Download and convert, once a machine; safe to call again."""

    @property
    def description(self) -> str:
        """What the bundle's card says of the data."""
        return type(self).__name__

    @abstractmethod
    def setup(self) -> None:
        """Read the index; cheap after ``prepare``, and safe to call again."""

    @property
    @abstractmethod
    def infos(self) -> list[PictureInfo]:
        """One entry a picture, in a fixed order."""

    @abstractmethod
    def load(self, index: int) -> LabelledPicture:
        """Open one picture with its labels."""


def kind_of_picture(pixels: NDArray) -> Kind:
    """Stained tissue when it has colour, else brightfield when its background is bright, else fluorescence.

    The background is the median, and bright means above the middle of the picture's own range: the rule looks at no
    absolute value, so it holds for any bit depth.
    """
    values = pixels[::4, ::4].astype(np.float32)
    low, middle, high = np.percentile(values, (0.5, 50, 99.5))
    span = max(float(high - low), 1e-6)
    if values.shape[2] == 3 and float(np.ptp(values, axis=2).mean()) / span > 0.05:
        return "tissue"
    return "brightfield" if (middle - low) / span > 0.5 else "fluorescence"
