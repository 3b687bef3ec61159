"""True labels of a picture in the forms people keep them -> one label image, by stated rules."""

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label as label_pieces

from segmentation.errors import ImageReadError, ImageShapeError, NucleoscopeError, ParameterError
from segmentation.image_io import SUFFIXES, read_images
from segmentation.limits import check_nuclei, limits
from segmentation.terminal import name_shown, one_line

MAX_PIECES, MIN_PIECE = 4, 4  # of a nucleus, and pixels of a piece, on average: photographs lie beyond
_ALL_NEIGHBOURS = np.ones((3, 3))
_Files = list[tuple[str, Callable[[], bytes]]]


@dataclass(frozen=True, eq=False)
class Truth:
    """True nuclei of a picture.

    Attributes:
        labels: ``(H, W)`` int32, 0 the background; one value a nucleus, gaps allowed.
        notes: sentences on how the files were read.
    """

    labels: NDArray[np.int32]
    notes: tuple[str, ...]


def read_truth(paths: Sequence[str | Path], shape: tuple[int, int]) -> Truth:
    """Read the true nuclei of one picture; zips are never unpacked to disk.

    One file, loose or in a zip: with two values it is a binary mask, and its connected components (8 neighbours) are
    the nuclei. With more it is a label image, and each number or colour is a nucleus; 0 or black is the background.

    Several files: each is the mask of one nucleus, which is wherever the file is not 0. Of overlapping ones the first
    by file name keeps the pixel, and one left without a pixel gets no number. Of a zip, pictures alone are read.

    Args:
        paths: one PNG, TIFF, BMP or GIF file or several, or one zip of them.
        shape: height and width of the picture, in pixels.

    Raises:
        ImageReadError: a file that cannot be read, a JPEG, or more files, bytes or pixels than the limits above.
        ImageShapeError: a size other than the picture's, several pages, or values that are no labels.
        ParameterError: no file, or a zip beside other files.
    """
    with _opened([Path(path) for path in paths], shape) as files:
        if len(files) == 1:
            name, read = files[0]
            return _label_image(name, _pixels(name, read, shape))
        most = limits()
        if len(files) > most.masks or len(files) * shape[0] * shape[1] > most.mask_pixels:
            raise ImageReadError(
                f"{len(files):,} masks of {shape[1]} x {shape[0]} pixels: the limits are {most.masks:,} files and "
                f"{most.mask_pixels:,} pixels together; give one label image instead."
            )
        return _one_nucleus_each(files, shape)


def read_labels(path: str | Path) -> NDArray:
    """A label image ``(H, W)`` of integers, with the numbers as they are stored: to be corrected, not interpreted.

    Args:
        path: of a PNG, TIFF, BMP or GIF file of one page; of colours, the red.

    Raises:
        ImageReadError: a file that cannot be read, or a JPEG.
        ImageShapeError: several pages, transparency, or numbers that are not whole or below 0.
    """
    name = name_shown(Path(path).name)
    labels = _pixels(name, Path(path).read_bytes, None)[..., 0]
    if labels.dtype.kind not in "iu" or labels.min() < 0:
        raise ImageShapeError(
            f"{name}: numbers of type {labels.dtype}, from {labels.min()} to {labels.max()}; labels must be whole "
            "numbers, 0 or more."
        )
    check_nuclei(len(np.unique(labels)) - 1, name)
    return labels


@contextmanager
def _opened(paths: list[Path], shape: tuple[int, int]) -> Iterator[_Files]:
    """Names of the picture files, sorted, and what reads each."""
    zips = [path for path in paths if path.suffix.lower() == ".zip"]
    if not paths or (zips and len(paths) > 1):
        raise ParameterError(
            f"{len(paths)} files, {len(zips)} of them zips: give one label image, one zip, or one mask a nucleus."
        )
    if not zips:
        yield [(name_shown(path.name), path.read_bytes) for path in sorted(paths, key=lambda path: path.name)]
        return
    label = name_shown(zips[0].name)
    try:
        archive = zipfile.ZipFile(zips[0])
    except (Exception, MemoryError) as error:  # as for pictures: a damaged file can raise anything
        reason = one_line(str(error), 200) or type(error).__name__
        raise ImageReadError(f"{label}: not a whole zip file ({reason}); pack it again.") from error
    with archive:
        entries = sorted((i for i in archive.infolist() if _is_picture(i.filename)), key=lambda i: i.filename)
        most = limits().mask_bytes
        largest = 32 * shape[0] * shape[1] + 1_000_000  # bytes: three colours of 8 bytes each, and room for tags
        if sum(entry.file_size for entry in entries) > most or any(e.file_size > largest for e in entries):
            raise ImageReadError(
                f"{label}: unpacked, it is over the limit of {most:,} bytes, or {largest:,} bytes a file for a "
                f"picture of {_size(shape)}; give one label image instead."
            )
        if not entries:
            raise ImageReadError(f"{label}: it holds no pictures; put PNG or TIFF files in it.")
        yield [(name_shown(entry.filename), partial(_unpacked, archive, entry)) for entry in entries]


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Never more bytes than the entry says it has: other methods than these unpack whole blocks before they count."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise OSError("packed by another method than zip's usual one")
    return archive.read(entry)


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden and not name.endswith("/")


def _pixels(name: str, read: Callable[[], bytes], shape: tuple[int, int] | None) -> NDArray:
    """``(H, W, C)`` as stored, C 1 or 3, of that shape if there is one."""
    try:
        data = read()
    except (Exception, MemoryError) as error:
        reason = one_line(str(error), 200) or type(error).__name__
        raise ImageReadError(f"{name}: cannot be read ({reason}); save or pack it again.") from error
    if data.startswith(b"\xff\xd8\xff"):  # its artefacts would pass for hundreds of tiny labels
        raise ImageReadError(f"{name}: JPEG changes the numbers of a mask; save it as PNG or TIFF.")
    try:
        pages = read_images(data)
        page = next(pages)
        several = next(pages, None) is not None
    except NucleoscopeError as error:
        raise type(error)(f"{name}: {str(error).removeprefix('picture: ')}") from error
    if several:
        raise ImageShapeError(f"{name}: it holds several pages; save the one that belongs to the picture.")
    if page.notes:  # fine for a picture, but a mask whose transparent pixels are filled in is another mask
        raise ImageShapeError(
            f"{name}: not plain numbers. {' '.join(page.notes)} Save it without transparency and as one plane."
        )
    if shape is not None and page.shape != shape:
        raise ImageShapeError(
            f"{name} is {_size(page.shape)} pixels and the picture {_size(shape)}: give the truth of this picture."
        )
    return as_stored(data, page.pixels)


def as_stored(data: bytes, pixels: NDArray) -> NDArray:
    """Undo TIFF's "white is zero": it says how numbers look, and here the numbers themselves count.

    ImageJ marks masks with it when black is to show the nuclei, and tifffile every mask of true and false.
    """
    if data[:2] not in (b"II", b"MM"):
        return pixels
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages.first
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and np.dtype(page.dtype).kind in "bu"
    return np.iinfo(pixels.dtype).max - pixels if inverted else pixels


def _one_nucleus_each(files: _Files, shape: tuple[int, int]) -> Truth:
    labels, overlap, number = np.zeros(shape, np.int32), np.zeros(shape, bool), 0
    for name, read in files:
        mask = (_pixels(name, read, shape) != 0).any(axis=2)
        if mask.all():
            raise ImageShapeError(f"{name}: no pixel is 0, so it is no mask of one nucleus: leave out what is no mask.")
        overlap |= mask & (labels > 0)
        mask &= labels == 0
        number += bool(mask.any())
        labels[mask] = number
    notes = [f"{len(files):,} files: each is the mask of one nucleus."]
    if overlap.any():
        notes.append(f"{overlap.sum():,} pixels lie in several masks: the first by file name keeps them.")
    if number < len(files):
        notes.append(f"{len(files) - number:,} masks are left without a pixel and count for nothing.")
    return Truth(labels, tuple(notes))


def _label_image(name: str, pixels: NDArray) -> Truth:
    """By the rules of ``data_modules.label_images.labels_from_mask``, and colours as well."""
    coloured = not (pixels == pixels[..., :1]).all()
    plane = _colour_numbers(name, pixels) if coloured else pixels[..., 0]
    values = np.unique(plane)
    what = "colours" if coloured else "numbers"
    if plane.dtype.kind == "f" and (values != np.round(values)).any():
        raise ImageShapeError(f"{name}: it holds fractions; labels must be whole numbers.")
    if values[0] < 0 or values[-1] >= 2**31:
        raise ImageShapeError(
            f"{name}: its values run from {values[0]} to {values[-1]}; they must be 0 to 2,147,483,647."
        )
    if len(values) == 2 and values[0] > 0:
        raise ImageShapeError(
            f"{name}: of its two values {values[0]} and {values[1]} none is 0; give the background 0."
        )
    if len(values) <= 2:
        components, count = ndimage.label(plane > 0, structure=_ALL_NEIGHBOURS)
        check_nuclei(count, name)
        note = f"Binary mask: its connected components are the nuclei, {count:,} of them; touching ones count as one."
        much = "Most of it is marked: should the nuclei be its dark part, save it inverted."
        return Truth(components.astype(np.int32), (note, much) if 2 * np.count_nonzero(plane) > plane.size else (note,))
    labels, count = plane.astype(np.int32), int(np.count_nonzero(values))
    check_nuclei(count, name)
    pieces = int(label_pieces(labels, connectivity=2).max())
    if pieces > MAX_PIECES * count or pieces * MIN_PIECE > np.count_nonzero(labels):
        raise ImageShapeError(
            f"{name}: its {count:,} {what} lie in {pieces:,} separate pieces, so they number no nuclei: give each "
            f"nucleus one of the {what} for itself, with sharp edges, or mark all nuclei alike."
        )
    background = " and black is the background" if coloured else ""
    return Truth(labels, (f"Label image: each of its {count:,} {what} is a nucleus{background}.",))


def _colour_numbers(name: str, pixels: NDArray) -> NDArray:
    """Each colour's number, black 0 and the others 1 to n."""
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImageShapeError(f"{name}: colours of type {pixels.dtype}; save them with 8 or 16 bits each.")
    red, green, blue = np.moveaxis(pixels.astype(np.uint64), 2, 0)
    colours, numbers = np.unique(red << 32 | green << 16 | blue, return_inverse=True)
    if colours[0] != 0:
        raise ImageShapeError(f"{name}: a colour picture without black, and black is the background: paint it black.")
    return numbers


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
