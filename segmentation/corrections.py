"""Corrections by hand as values: what was done to labels, kept, saved, undone and done again.

What each of them does to the pixels is in :mod:`segmentation.label_edits`.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from operator import index
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from segmentation.errors import ParameterError
from segmentation.label_edits import check_labels, delete, draw, merge, split
from segmentation.terminal import shown

Kind = Literal["delete", "merge", "split", "draw"]


@dataclass(frozen=True)
class Correction:
    """One correction; see the function of that name in :mod:`segmentation.label_edits`.

    Attributes:
        kind: "delete", "merge", "split" or "draw".
        labels: the nuclei it is about: one to delete or split, two or more to merge, none to draw.
        points: the line that splits or the outline that is drawn, (y, x) in pixels; else none.

    Raises:
        ParameterError: unknown kind, or labels or points that do not belong to it.
    """

    kind: Kind
    labels: tuple[int, ...] = ()
    points: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ParameterError(f"kind={shown(self.kind)}: choose one of {', '.join(get_args(Kind))}.")
        fits = {"delete": len(self.labels) == 1, "split": len(self.labels) == 1, "draw": not self.labels}
        if not fits.get(self.kind, len(self.labels) > 1) or bool(self.points) != (self.kind in ("split", "draw")):
            raise ParameterError(
                f"kind={self.kind!r} with {len(self.labels)} labels and {len(self.points)} points: delete takes 1 "
                "label, merge 2 or more, split 1 and the points of a line, draw the points of an outline alone."
            )

    def to_json(self) -> dict[str, Any]:
        """What ``json.dumps`` takes and :meth:`from_json` reads back."""
        points = [[float(y), float(x)] for y, x in self.points]  # NumPy's numbers are none of JSON's
        return {"kind": self.kind, "labels": [int(label) for label in self.labels], "points": points}

    @classmethod
    def from_json(cls, value: object) -> "Correction":
        """Read what :meth:`to_json` gave.

        Raises:
            ParameterError: for anything else.
        """
        try:
            if not isinstance(value, Mapping):
                raise TypeError(f"a {type(value).__name__}")
            labels = tuple(index(label) for label in value["labels"])
            points = tuple((float(y), float(x)) for y, x in value["points"])
            kind = value["kind"]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ParameterError(
                f"No correction ({error}): it must be an object with kind, labels (whole numbers) and points (pairs)."
            ) from error
        return cls(kind, labels, points)


def apply(labels: NDArray, correction: Correction) -> NDArray:
    """Labels ``(H, W)`` with one correction more; the input stays as it is.

    Raises:
        ImageShapeError: see :func:`segmentation.label_edits.check_labels`.
        ParameterError: if the correction cannot be made on these labels.
    """
    if correction.kind == "delete":
        return delete(labels, correction.labels[0])
    if correction.kind == "merge":
        return merge(labels, correction.labels)
    if correction.kind == "split":
        return split(labels, correction.labels[0], correction.points)
    return draw(labels, correction.points)


@dataclass(frozen=True, eq=False)
class _Patch:
    """A box of labels, deflated, and the type that the whole image had with it."""

    top: int
    left: int
    shape: tuple[int, int]
    dtype: np.dtype
    deflated: bytes

    @classmethod
    def cut(cls, labels: NDArray, top: int, left: int, shape: tuple[int, int]) -> "_Patch":
        pixels = labels[top : top + shape[0], left : left + shape[1]]
        return cls(top, left, shape, labels.dtype, zlib.compress(pixels.tobytes(), level=1))

    def paste(self, labels: NDArray) -> NDArray:
        """A copy of the labels with the box in its place."""
        result = labels.astype(self.dtype)  # back from uint32 nothing is lost: all numbers fitted before
        pixels = np.frombuffer(zlib.decompress(self.deflated), self.dtype).reshape(self.shape)
        result[self.top : self.top + self.shape[0], self.left : self.left + self.shape[1]] = pixels
        return result


@dataclass(frozen=True, eq=False)
class _Step:
    correction: Correction
    before: _Patch
    after: _Patch


@dataclass(frozen=True, eq=False)
class History:
    """Labels and how they came to be: a value that never changes; each method returns another.

    It holds one label image, 8 MB for 2,000 x 2,000 pixels of uint16, and of each correction the box that changed,
    before and after, deflated: under 1 kB for a nucleus 30 pixels across, some 600 kB where the whole picture changes.

    Attributes:
        labels: ``(H, W)`` integers as corrected so far, read-only; those given are copied.

    Raises:
        ImageShapeError: see :func:`segmentation.label_edits.check_labels`.
    """

    labels: NDArray
    _past: tuple[_Step, ...] = ()
    _future: tuple[_Step, ...] = ()

    def __post_init__(self) -> None:
        check_labels(self.labels)
        if self.labels.flags.writeable:
            labels = self.labels.copy()
            labels.flags.writeable = False
            object.__setattr__(self, "labels", labels)

    @property
    def corrections(self) -> tuple[Correction, ...]:
        """Those in effect, first to last; made again on the first labels, they give these."""
        return tuple(step.correction for step in self._past)

    @property
    def can_undo(self) -> bool:
        """Whether there is a correction to take back."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether one was taken back, and none made since."""
        return bool(self._future)

    def done(self, correction: Correction) -> "History":
        """With one correction more; what had been undone is forgotten.

        Raises:
            ParameterError: if the correction cannot be made on these labels.
        """
        after = apply(self.labels, correction)
        changed = after != self.labels
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        top, left = int(rows[0]), int(columns[0])
        shape = int(rows[-1]) + 1 - top, int(columns[-1]) + 1 - left
        step = _Step(correction, _Patch.cut(self.labels, top, left, shape), _Patch.cut(after, top, left, shape))
        return History(_frozen(after), (*self._past, step))

    def undo(self) -> "History":
        """Without the last correction.

        Raises:
            ParameterError: if there is none.
        """
        if not self._past:
            raise ParameterError("No correction is left to undo: these are the labels as they were found.")
        step = self._past[-1]
        return History(_frozen(step.before.paste(self.labels)), self._past[:-1], (step, *self._future))

    def redo(self) -> "History":
        """With the correction again that was undone last.

        Raises:
            ParameterError: if there is none.
        """
        if not self._future:
            raise ParameterError("No undone correction is left to make again: make a new one.")
        step = self._future[0]
        return History(_frozen(step.after.paste(self.labels)), (*self._past, step), self._future[1:])


def renumbered(labels: NDArray) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """The same nuclei as 1..n without gaps, in the order of their numbers; uint16 up to 65,535 nuclei, else uint32.

    Raises:
        ImageShapeError: see :func:`segmentation.label_edits.check_labels`.
    """
    check_labels(labels)
    values = np.unique(labels)
    numbers = np.cumsum(values != 0)
    numbers = numbers.astype(np.uint16 if numbers.max(initial=0) <= np.iinfo(np.uint16).max else np.uint32)
    if values.max(initial=0) > labels.size:  # too high to index with
        return numbers[np.searchsorted(values, labels)]
    table = np.zeros(int(values.max(initial=0)) + 1, numbers.dtype)
    table[values] = numbers
    return table[labels]


def _frozen(labels: NDArray) -> NDArray:
    labels.flags.writeable = False
    return labels
