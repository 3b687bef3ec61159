"""The whole files that mutations start from: those of the corpus of formats, by kind, and label images."""

import io
import re
from collections.abc import Callable
from functools import cache

import numpy as np
import tifffile
from PIL import Image

from tests.segmentation.corpus import CASES
from tests.segmentation.corpus_tools import Case, npy

KINDS = {
    "png": ("PNG",),
    "jpeg": ("JPEG",),
    "gif": ("GIF",),
    "bmp": ("BMP",),
    "tiff": ("TIFF",),
    "ome": ("OME-TIFF",),
    "imagej": ("ImageJ TIFF",),
    "dicom": ("DICOM",),
    "npy": ("NumPy",),
}
SUFFIXES = {"png": ".png", "jpeg": ".jpg", "gif": ".gif", "bmp": ".bmp", "dicom": ".dcm", "npy": ".npy"}
_UUID = re.compile(rb"(?<=urn:uuid:)[0-9a-f-]{36}")
SHAPE = (40, 56)


@cache
def cases(kind: str) -> list[Case]:
    """The corpus's readable files of a kind; the largest are left out, which take long and show no more."""
    return [case for case in CASES if case.form in KINDS[kind] and not case.says and len(case_bytes(case)) < 100_000]


@cache
def case_bytes(case: Case) -> bytes:
    """A file, the same whenever it is made: OME-TIFFs hold a random number."""
    data = case.data()
    for number, found in enumerate(dict.fromkeys(_UUID.findall(data))):
        data = data.replace(found, b"00000000-0000-0000-0000-%012d" % number)
    return data


def suffix(kind: str) -> str:
    """What a file of a kind is called."""
    return SUFFIXES.get(kind, ".tif")


def _labels() -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint16)
    for number in range(12):
        top, left = 3 + 12 * (number // 4), 3 + 13 * (number % 4)
        labels[top : top + 7, left : left + 8] = number + 1
    return labels


LABELS = _labels()


def _saved(array: np.ndarray, form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, form)
    return buffer.getvalue()


def _tiff(array: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


# (suffix, maker) of a label image in each form in which people keep them.
LABEL_FILES: list[tuple[str, Callable[[], bytes]]] = [
    (".tif", lambda: _tiff(LABELS)),
    (".tif", lambda: _tiff(LABELS, compression="zlib")),
    (".tif", lambda: _tiff(LABELS > 0, photometric="miniswhite")),
    (".tif", lambda: _tiff(LABELS.astype(np.float32))),
    (".png", lambda: _saved(LABELS.astype(np.uint8), "PNG")),
    (".png", lambda: _saved((LABELS > 0) * np.uint8(255), "PNG")),
    (".png", lambda: _saved(np.dstack([LABELS * 20, LABELS * 7, LABELS]).astype(np.uint8), "PNG")),
    (".bmp", lambda: _saved(LABELS.astype(np.uint8), "BMP")),
    (".gif", lambda: _saved(LABELS.astype(np.uint8), "GIF")),
    (".npy", lambda: npy(LABELS.astype(np.int64))),
]
