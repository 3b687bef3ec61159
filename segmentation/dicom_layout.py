"""What a DICOM file's header says of the picture as a whole: axes, pixel size, and what people should know of it."""

from typing import Any

from pydicom.dataset import Dataset

from segmentation.dicom_frames import FrameForm
from segmentation.dicom_values import Values, in_groups, number
from segmentation.layout import Layout
from segmentation.physical_size import Stated, from_lengths

_FRAME_AXES = {0x00181063: "T", 0x00181065: "T", 0x3004000C: "Z"}  # frame time, its vector, offsets of a grid of frames


def layout_of(data: Dataset, form: FrameForm, values: Values) -> Layout:
    """What is told of a DICOM file: its axes, pixel size, notes and remarks.

    Args:
        data: its header.
        form: of its frames.
        values: what their numbers stand for.
    """
    several = form.frames > 1
    pointer = data.get("FrameIncrementPointer")
    axis = _FRAME_AXES.get(int(pointer), "I") if isinstance(pointer, int) else "I"
    notes, remarks = list(values.notes), list(values.remarks)
    slide = [number(data.get(f"TotalPixelMatrix{each}")) for each in ("Columns", "Rows")]
    if several and all(slide):
        notes.append(
            f"Its {form.frames:,} frames are tiles of a slide of {slide[0]:,.0f} x {slide[1]:,.0f} pixels, and each is "
            "a page."
        )
    if (centre := _first(data.get("WindowCenter"))) and (width := _first(data.get("WindowWidth"))):
        remarks.append(f"Its window (centre {centre:g}, width {width:g}) is a setting for screens and is not applied.")
    stated = _pixel_size(data)
    if stated.remark:
        remarks.append(stated.remark)
    colours = values.channels > 1
    return Layout(
        format="DICOM",
        axes=axis * several + "YX" + "S" * colours,
        sizes=(form.frames,) * several + (form.rows, form.columns) + (values.channels,) * colours,
        channels=values.channels,
        dtype=values.dtype,
        bits=values.bits,
        pixel_size=stated.size,
        notes=tuple(notes),
        remarks=tuple(remarks),
    )


def _pixel_size(data: Dataset) -> Stated:
    spacing = data.get("PixelSpacing") or in_groups(data, 0, "PixelMeasuresSequence", "PixelSpacing")
    if spacing is None:
        detector = data.get("ImagerPixelSpacing") or data.get("NominalScannedPixelSpacing")
        remark = "It states the spacing of the detector or scanner alone, which is no size of a pixel in the specimen."
        return Stated(None, remark) if detector else Stated()
    sizes = [number(each) for each in spacing] if _is_list(spacing) else []
    if len(sizes) != 2:
        return Stated(None, "Its pixel spacing makes no sense and is left out.")
    return from_lengths(sizes[1], sizes[0], "mm", "mm", "pixel spacing")


def _first(value: Any) -> float | None:
    return number(value[0] if _is_list(value) and len(value) else value)


def _is_list(value: Any) -> bool:
    return hasattr(value, "__getitem__") and not isinstance(value, str | bytes)
