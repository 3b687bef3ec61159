"""Zips that are wrong: names that lead out, sizes that lie, encrypted flags, devices, and broken bytes."""

import io
import stat
import struct
import zipfile

import numpy as np

from tests.fuzz.byte_mutations import BYTES
from tests.fuzz.seeds import LABEL_FILES, case_bytes, cases
from tests.fuzz.values import ODD_TEXTS, number

NAMES = (
    "a.png",
    "in/b.tif",
    "../c.png",
    "/d.png",
    "C:\\e.png",
    "..\\f.png",
    ".hidden.png",
    "__MACOSX/g.png",
    "h.zip",
    "i.txt",
    "j.png/",
    "\u202egnp.k.png",
    "a" * 300 + ".png",
    "con.png",
    "l\0.png",
)


def make_zip(rng: np.random.Generator, mutation: str) -> bytes:
    """A zip of pictures or masks, with one of the ``ZIPS`` wrong."""
    buffer = io.BytesIO()
    masks = bool(rng.integers(2))
    with zipfile.ZipFile(buffer, "w", int(rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))) as archive:
        for index in range(int(rng.integers(1, 6))):
            name = f"{index}.png"
            if mutation == "names" and rng.integers(2):
                name = NAMES[rng.integers(len(NAMES))] if rng.integers(3) else ODD_TEXTS[rng.integers(4)] + ".png"
            info = zipfile.ZipInfo(name or "x.png")
            info.compress_type = archive.compression
            if mutation == "kinds":
                info.external_attr = int(rng.choice([stat.S_IFLNK, stat.S_IFCHR, stat.S_IFDIR, 0])) << 16
            archive.writestr(info, _content(rng, masks))
    data = buffer.getvalue()
    if mutation == "fields":
        return _fields(data, rng)
    if mutation in BYTES:
        return BYTES[mutation](data, rng)
    return data


def _content(rng: np.random.Generator, masks: bool) -> bytes:
    if masks:
        return LABEL_FILES[rng.integers(len(LABEL_FILES))][1]()
    found = cases("png")
    return case_bytes(found[rng.integers(len(found))])


def _fields(data: bytes, rng: np.random.Generator) -> bytes:
    """Lie in the headers of members, of the directory and of its end."""
    marks = [at for at in range(len(data) - 4) if data[at : at + 4] in (b"PK\1\2", b"PK\3\4", b"PK\5\6")]
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at = marks[rng.integers(len(marks))] + int(rng.integers(4, 46))
        form = "<H" if rng.integers(2) else "<I"
        if at + 4 <= len(changed):
            struct.pack_into(form, changed, at, number(rng) % (1 << 8 * struct.calcsize(form)))
    return bytes(changed)


ZIPS = ("none", "names", "kinds", "fields", *BYTES)
