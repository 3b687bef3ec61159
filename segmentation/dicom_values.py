"""What a DICOM file's stored numbers stand for: rescaled values, colours of a palette, white and black changed over."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from segmentation.dicom_frames import FrameForm
from segmentation.errors import ImageReadError


@dataclass(frozen=True, eq=False)
class _Table:
    """Entries ``(n, channels)`` for stored numbers from ``first`` on; what lies outside takes the first or last."""

    first: int
    entries: NDArray


@dataclass(frozen=True, eq=False)
class Values:
    """How to turn the stored numbers of a frame into pixels.

    Attributes:
        dtype: of the pixels.
        bits: used of each number.
        channels: 1 or 3.
        inverted: stored numbers are changed over: the least for the greatest.
        ends: the least and the greatest number that can be stored.
        rescale: slope and intercept of each frame, or of all, or empty.
        table: a palette or a modality's table, or None.
        notes: sentences for every picture.
        remarks: further ones, for those who ask what the file is.
    """

    dtype: np.dtype
    bits: int
    channels: int
    inverted: bool
    ends: tuple[int, int]
    rescale: Sequence[tuple[float, float]]
    table: _Table | None
    notes: tuple[str, ...]
    remarks: tuple[str, ...]

    def apply(self, stored: NDArray, index: int) -> NDArray:
        """Pixels ``(H, W, C)`` of frame ``index``, from the numbers stored."""
        low, high = self.ends
        if self.inverted:
            stored = np.array(low + high, stored.dtype) - stored
        if self.table is not None:
            numbers = np.clip(stored[..., 0].astype(np.int64) - self.table.first, 0, len(self.table.entries) - 1)
            return self.table.entries[numbers]
        if not self.rescale:
            return stored
        slope, intercept = self.rescale[index if len(self.rescale) > 1 else 0]
        if self.dtype.kind in "iu":
            return (stored.astype(np.int64) * int(slope) + int(intercept)).astype(self.dtype)
        return (stored.astype(np.float64) * slope + intercept).astype(self.dtype)


def number(value: Any) -> float | None:
    """``value`` as a finite number, None if it is none."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) else None


def in_groups(data: Dataset, frame: int, sequence: str, keyword: str) -> Any:
    """An attribute out of the functional groups, in which multi-frame files keep what holds for all frames, or one."""
    frames, shared = data.get("PerFrameFunctionalGroupsSequence"), data.get("SharedFunctionalGroupsSequence")
    for group in (frames[frame] if frames and frame < len(frames) else None, shared[0] if shared else None):
        items = group.get(sequence) if group is not None else None
        if items and items[0].get(keyword) is not None:
            return items[0].get(keyword)
    return None


def read_values(data: Dataset, form: FrameForm, *, little_endian: bool, label: str) -> Values:
    """What the header says of the numbers.

    Args:
        data: the header.
        form: how the frames are stored.
        little_endian: byte order of tables.
        label: the file, for messages.

    Raises:
        ImageReadError: a palette that is missing, or stored in segments.
    """
    stored = form.dtype.newbyteorder("=")
    lowest = -(1 << form.bits_stored - 1) if stored.kind == "i" else 0
    ends = (lowest, lowest + (1 << form.bits_stored) - 1)
    notes: list[str] = []
    remarks: list[str] = []
    table: _Table | None = None
    rescale: list[tuple[float, float]] = []
    dtype, bits, inverted = stored, form.bits_stored, False
    if form.photometric == "PALETTE COLOR":
        table, bits = _palette(data, stored.kind == "i", little_endian, label)
        dtype = table.entries.dtype
        remarks.append("Its colours are looked up in a palette.")
    elif form.samples == 1:
        inverted = form.photometric == "MONOCHROME1" and stored.kind in "iu"
        if inverted:
            notes.append("In it small numbers are bright (MONOCHROME1): they are changed over with the great ones.")
        elif form.photometric == "MONOCHROME1":
            notes.append("In it small numbers are bright (MONOCHROME1), and they are left as they are.")
        if data.get("ModalityLUTSequence"):
            item, signed = data.ModalityLUTSequence[0], stored.kind == "i"
            table, bits = _table(item.get("LUTDescriptor"), item.get("LUTData"), signed, little_endian, label)
            dtype = table.entries.dtype
            remarks.append("Its numbers are looked up in the modality's table.")
        else:
            rescale, remark = _rescale(data, form.frames)
            remarks += [remark] if remark else []
            dtype = _rescaled_dtype(stored, ends, rescale)
            bits = bits if dtype == stored else dtype.itemsize * 8
    channels = 3 if form.samples == 3 or form.photometric == "PALETTE COLOR" else 1
    return Values(dtype, bits, channels, inverted, ends, rescale, table, tuple(notes), tuple(remarks))


def _rescale(data: Dataset, frames: int) -> tuple[list[tuple[float, float]], str]:
    """Slope and intercept of each frame, one pair if all are equal, none if they change nothing; and a remark."""
    pairs: list[tuple[float, float]] = []
    for frame in range(frames if data.get("PerFrameFunctionalGroupsSequence") else 1):
        slope, intercept = (
            number(in_groups(data, frame, "PixelValueTransformationSequence", keyword) or data.get(keyword, default))
            for keyword, default in (("RescaleSlope", 1), ("RescaleIntercept", 0))
        )
        if not slope or intercept is None:
            return [], "Its rescale slope and intercept make no sense and are left out."
        pairs.append((slope, intercept))
    if len(set(pairs)) > 1:
        return pairs, "Its numbers are rescaled with a slope and an intercept of each frame."
    (slope, intercept) = pairs[0]
    if (slope, intercept) == (1, 0):
        return [], ""
    return pairs[:1], f"Its numbers are rescaled: {slope:g} times the stored one, plus {intercept:g}."


def _rescaled_dtype(stored: np.dtype, ends: tuple[int, int], rescale: list[tuple[float, float]]) -> np.dtype:
    """The least that keeps every rescaled number apart: integers where slope and intercept are, floats otherwise."""
    if not rescale:
        return stored
    limits = [slope * end + intercept for slope, intercept in rescale for end in ends]
    if stored.kind in "iu" and all(slope.is_integer() and intercept.is_integer() for slope, intercept in rescale):
        low, high = int(min(limits)), int(max(limits))
        for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32"):
            if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
                return np.dtype(name)
    step = min(abs(slope) for slope, _ in rescale)
    exact = stored.itemsize <= 2 and step >= 2 * np.spacing(np.float32(min(max(map(abs, limits)), 3e38)))
    return np.dtype(np.float32 if exact or stored == np.float32 else np.float64)


def _palette(data: Dataset, signed: bool, little_endian: bool, label: str) -> tuple[_Table, int]:
    if data.get("SegmentedRedPaletteColorLookupTableData"):
        raise ImageReadError(f"{label}: its palette is stored in segments, which is not read here; export it as RGB.")
    descriptor = data.get("RedPaletteColorLookupTableDescriptor")
    parts = [data.get(f"{colour}PaletteColorLookupTableData") for colour in ("Red", "Green", "Blue")]
    tables = [_table(descriptor, part, signed, little_endian, label) for part in parts]
    entries = np.concatenate([table.entries for table, _ in tables], axis=1)
    return _Table(tables[0][0].first, entries), entries.dtype.itemsize * 8


def _table(descriptor: Any, data: Any, signed: bool, little_endian: bool, label: str) -> tuple[_Table, int]:
    """A table of uint8 or uint16 in one column, and the bits of its numbers (DICOM PS3.3, C.11.1.1)."""
    words = "<u2" if little_endian else ">u2"
    try:
        # Where types are not explicit, pydicom leaves both as bytes, since they depend on other attributes.
        count, first, bits = (
            (int(each) for each in np.frombuffer(descriptor, words))
            if isinstance(descriptor, bytes)
            else (int(each) for each in descriptor)
        )
        count = count or 1 << 16
        if signed and first >= 1 << 15:
            first -= 1 << 16
        if isinstance(data, bytes):
            numbers = np.frombuffer(data, words if len(data) >= 2 * count else "u1")[:count]
        else:
            numbers = np.asarray(data, np.int64).ravel()[:count]
        if len(numbers) == count and 8 <= bits <= 16:
            return _Table(first, numbers.astype(np.uint8 if bits == 8 else np.uint16)[:, None]), bits
    except (TypeError, ValueError):
        pass
    raise ImageReadError(f"{label}: the DICOM file is damaged: a table of its numbers is missing or too short.")
