"""A path, the bytes of a file or a Pillow picture, opened: what its header says, and what reads its planes."""

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from segmentation.errors import ImageReadError, NucleoscopeError
from segmentation.layout import Layout, ReadPlane
from segmentation.npy_io import MAGIC as NPY_MAGIC
from segmentation.npy_io import open_npy
from segmentation.pillow_io import MAGIC as PILLOW_MAGIC
from segmentation.pillow_io import open_picture_object, open_pillow
from segmentation.terminal import one_line
from segmentation.tiff_io import MAGIC as TIFF_MAGIC
from segmentation.tiff_io import open_tiff

_MUCH = 2**20  # bytes; less is read without a look at the file's size
DICOM_OFFSET, DICOM_MAGIC = 128, b"DICM"
FORMATS = "PNG, JPEG, TIFF, BMP, GIF, DICOM or NumPy (.npy)"
# For choosing files in folders and zips; what a file is, its first bytes say.
SUFFIXES = frozenset(
    {
        ".png",
        ".jpg",
        ".jpeg",
        ".tif",
        ".tiff",
        ".btf",
        ".tf8",
        ".bmp",
        ".gif",
        ".dcm",
        ".dicom",
        ".npy",
        ".svs",
        ".ndpi",
        ".scn",
        ".bif",
        ".qptiff",
    }
)


@dataclass(frozen=True)
class PictureFile:
    """An open picture.

    Attributes:
        label: what messages call it: the file's name.
        stem: what its pictures are called.
        layout: what its header says.
        read: gives a plane by its number; see :data:`segmentation.layout.ReadPlane`.
    """

    label: str
    stem: str
    layout: Layout
    read: ReadPlane


@contextmanager
def open_picture(source: str | Path | bytes | Image.Image) -> Iterator[PictureFile]:
    """Open a picture for reading; whatever its decoder raises meanwhile becomes one sentence.

    Raises:
        ImageReadError: not a picture, damaged, or over the limits.
        ImageShapeError: the picture has no pixels.
    """
    if isinstance(source, Image.Image):
        with one_sentence("picture"):
            yield PictureFile("picture", "picture", *open_picture_object(source, "picture"))
        return
    file, label = open_file(source)
    with file:
        opener = _opener(file, label)
        with one_sentence(label), opener(file, label) as (layout, read):
            yield PictureFile(label, Path(label).stem, layout, read)


def _opener(file: BinaryIO, label: str) -> Callable[[BinaryIO, str], AbstractContextManager[tuple[Layout, ReadPlane]]]:
    """What opens a file, by its first bytes; it is left at its start."""
    header = file.read(DICOM_OFFSET + len(DICOM_MAGIC))
    file.seek(0)
    if not header:
        raise ImageReadError(f"{label}: the file is empty (0 bytes); copy or export it again from its source.")
    if header.endswith(DICOM_MAGIC) and len(header) == DICOM_OFFSET + len(DICOM_MAGIC):
        from segmentation.dicom_io import open_dicom  # a quarter of a second to load, for files that few have

        return open_dicom  # first: what comes before its mark is free, and some write the beginning of a TIFF there
    if header.startswith(TIFF_MAGIC):
        return open_tiff
    if header.startswith(tuple(PILLOW_MAGIC)):
        return open_pillow
    if header.startswith(NPY_MAGIC):
        return open_npy
    raise ImageReadError(f"{label}: not a picture in a format read here; give a {FORMATS} file.")


class _Sealed(io.BufferedReader):
    """A file without a number.

    tifffile opens whatever other files OME-XML names, wherever they are, if it can tell that it reads from a disk. Who
    sends a picture to a server must not choose what the server reads.
    """

    def fileno(self) -> int:
        raise OSError("a sealed file has no number")

    def read(self, size: int | None = -1, /) -> bytes:
        """No more memory is asked for than there are bytes: headers name lengths of any size."""
        if size is not None and size > _MUCH:
            place = self.tell()
            size = max(min(size, self.seek(0, 2) - place), 0)
            self.seek(place)
        return super().read(size)


def open_file(source: str | Path | bytes) -> tuple[BinaryIO, str]:
    """A path or the bytes of a file, for reading, and what messages call it.

    Raises:
        ImageReadError: if it is neither, or cannot be read.
    """
    if isinstance(source, bytes):
        return io.BytesIO(source), "picture"
    if not isinstance(source, str | Path):
        raise ImageReadError(f"A {type(source).__name__} is no picture: give a path, bytes, an array or a PIL image.")
    path = Path(source)
    try:
        return _Sealed(io.FileIO(path)), one_line(path.name)
    except OSError as error:
        raise ImageReadError(
            f"{one_line(str(path))}: cannot be read ({error.strerror or error}); check the path."
        ) from error


@contextmanager
def one_sentence(label: str) -> Iterator[None]:
    """Inside, whatever a decoder raises becomes one sentence.

    Raises:
        ImageReadError: in the place of all that is not the project's own.
    """
    try:
        yield
    except NucleoscopeError as error:
        if str(error).isprintable():
            raise
        raise type(error)(one_line(str(error))) from error.__cause__  # what files say of themselves may be anything
    except MemoryError as error:
        raise ImageReadError(
            f"{label}: too large for this computer's memory; crop it or export fewer pixels."
        ) from error
    except Exception as error:  # decoders raise anything on a damaged file
        unknown = isinstance(error, UnidentifiedImageError | struct.error)  # their words hold addresses and formats
        words = "its header makes no sense" if unknown else one_line(str(error), 200)
        reason = words or type(error).__name__
        raise ImageReadError(
            f"{label}: the file is damaged or cut short ({reason}). Copy or export it again from its source."
        ) from error
