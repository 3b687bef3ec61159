"""Mutations that know a file's format: what they change is read, and not refused as a wrong checksum."""

import ast
import struct
import zlib

import numpy as np

from tests.fuzz.byte_mutations import Mutation
from tests.fuzz.values import number, packed


def png_chunks(data: bytes, rng: np.random.Generator) -> bytes:
    """Change, repeat, drop or move chunks, with checksums that are right."""
    chunks, position = [], 8
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        chunks.append((kind, data[position + 8 : position + 8 + length]))
        position += 12 + length
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(chunks)))
        kind, body = chunks[at]
        what = rng.integers(5)
        if what == 0 and body:
            new = packed(rng)
            place = int(rng.integers(max(len(body) - len(new), 1)))
            chunks[at] = kind, body[:place] + new + body[place + len(new) :]
        elif what == 1:
            chunks[at:at] = [chunks[at]] * int(rng.integers(1, 2000 if len(body) < 100 else 10))
        elif what == 2 and len(chunks) > 2:
            del chunks[at]
        elif what == 3:
            kinds = (b"acTL", b"fcTL", b"tRNS", b"PLTE", b"iCCP", b"eXIf", b"zTXt", b"sBIT", b"pHYs", b"gAMA", b"iTXt")
            chunks.insert(at, (kinds[rng.integers(len(kinds))], rng.bytes(int(rng.integers(0, 60)))))
        else:
            chunks.append(chunks.pop(at))
    return data[:8] + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def tiff_tags(data: bytes, rng: np.random.Generator) -> bytes:
    """Lie in one to three tags: their type, count or value."""
    changed = bytearray(data)
    order, entries, _ = _directory(data)
    for _ in range(int(rng.integers(1, 4))):
        if not entries:
            return data
        at, value = entries[rng.integers(len(entries))], number(rng)
        if (what := int(rng.integers(6))) == 0:
            struct.pack_into(order + "H", changed, at, (254, 256, 257, 258, 259, 262, 277, 322, 330, 339)[value % 10])
        elif what == 1:
            struct.pack_into(order + "H", changed, at + 2, value % 19)
        elif what == 2:
            struct.pack_into(order + "I", changed, at + 4, value % 2**32)
        else:
            kind = struct.unpack_from(order + "H", changed, at + 2)[0]
            struct.pack_into(
                order + ("H" if kind == 3 else "I"), changed, at + 8, value % (2**16 if kind == 3 else 2**32)
            )
    return bytes(changed)


def tiff_cycle(data: bytes, rng: np.random.Generator) -> bytes:
    """Directories that lead back to themselves, by the next one's place or by SubIFDs."""
    order, entries, last = _directory(data)
    changed = bytearray(data)
    first = struct.unpack_from(order + "I", data, 4)[0]
    if entries and rng.integers(2):
        struct.pack_into(order + "HHII", changed, entries[rng.integers(len(entries))], 330, 4, 1, first)
    elif last:
        struct.pack_into(order + "I", changed, last, first + int(rng.integers(2)) * 12)
    return bytes(changed)


def tiff_chain(data: bytes, rng: np.random.Generator) -> bytes:
    """Hundreds or thousands of directories, one after the other, or one inside the other."""
    order, entries, last = _directory(data)
    if not entries or not last:
        return data
    first = struct.unpack_from(order + "I", data, 4)[0]
    body, count, nested = data[first : last + 4], int(10 ** rng.uniform(0.4, 4.4)), bool(rng.integers(2))
    if nested:
        body = struct.pack(order + "H", 1) + struct.pack(order + "HHII", 330, 4, 1, 0) + bytes(4)
    start, chain = len(data) + len(data) % 2, bytearray()
    for index in range(count):
        following = 0 if index == count - 1 else start + (index + 1) * len(body)
        block = bytearray(body)
        struct.pack_into(order + "I", block, 10 if nested else len(body) - 4, following)
        chain += block
    changed = bytearray(data)
    struct.pack_into(order + "I", changed, last, start)
    return bytes(changed) + bytes(len(data) % 2) + bytes(chain)


def _directory(data: bytes) -> tuple[str, list[int], int]:
    """Byte order, places of the entries of the first directory, and of the next one's place; classic TIFF alone."""
    order = ">" if data[:2] == b"MM" else "<"
    if len(data) < 16 or struct.unpack_from(order + "H", data, 2)[0] != 42:
        return order, [], 0
    first = struct.unpack_from(order + "I", data, 4)[0]
    if first + 2 > len(data):
        return order, [], 0
    count = struct.unpack_from(order + "H", data, first)[0]
    last = first + 2 + 12 * count
    return (
        (order, [first + 2 + 12 * index for index in range(count)], last) if last + 4 <= len(data) else (order, [], 0)
    )


def texts(data: bytes, rng: np.random.Generator) -> bytes:
    """Lie in the numbers and words of a text inside: OME-XML, ImageJ's lines, the header of an array."""
    start = max(data.find(b"<OME"), data.find(b"ImageJ="), data.find(b"{'descr'"), 0)
    end = start + 4000
    digits = [at for at in range(start, min(end, len(data))) if 48 <= data[at] <= 57]
    letters = [at for at in range(start, min(end, len(data))) if 65 <= data[at] <= 122]
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        if digits and rng.integers(3):
            changed[digits[rng.integers(len(digits))]] = b"0123456789.-e"[rng.integers(13)]
        elif letters:
            changed[letters[rng.integers(len(letters))]] = int(rng.integers(32, 127))
    return bytes(changed)


def npy_header(data: bytes, rng: np.random.Generator) -> bytes:
    """Another shape, order or type of numbers."""
    form = "<H" if data[6] == 1 else "<I"
    start = 8 + struct.calcsize(form)
    length = struct.unpack_from(form, data, 8)[0]
    told = ast.literal_eval(data[start : start + length].decode("latin1"))
    shape = list(told["shape"])
    for _ in range(int(rng.integers(0, 3))):
        if shape and rng.integers(2):
            shape[rng.integers(len(shape))] = number(rng) * (1 if rng.integers(4) else -1)
        else:
            shape.insert(int(rng.integers(len(shape) + 1)), int(rng.integers(0, 9)))
    kinds = ("|u1", "<f8", ">i4", "<c8", "|O", "<U4", "<f16", "|b1", "<M8[s]", "<u8", "|V9", [("a", "<u2")], "nonsense")
    told |= {"shape": tuple(shape), "fortran_order": bool(rng.integers(2))}
    if rng.integers(3) == 0:
        told["descr"] = kinds[rng.integers(len(kinds))]
    text = repr(told).encode() + b"\n"
    return data[:8] + struct.pack(form, len(text)) + text + data[start + length :]


def dicom_elements(data: bytes, rng: np.random.Generator) -> bytes:
    """Lie in the lengths, types and values of elements, found by their groups."""
    places = [
        at for at in range(132, min(len(data), 2000) - 8) if data[at : at + 2] in (b"\x28\0", b"\x02\0", b"\xe0\x7f")
    ]
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        if not places:
            break
        at = places[rng.integers(len(places))]
        what = int(rng.integers(4))
        if what == 0:
            struct.pack_into("<H", changed, at + 6, number(rng) % 65_536)
        elif what == 1:
            changed[at + 4 : at + 6] = (b"SQ", b"OW", b"OB", b"US", b"DS", b"UN", b"UT", b"FD")[rng.integers(8)]
        elif at + 10 <= len(changed):
            struct.pack_into("<H", changed, at + 8, number(rng) % 65_536)
    return bytes(changed)


def jpeg_segments(data: bytes, rng: np.random.Generator) -> bytes:
    """Lie in the segments' lengths and contents."""
    places = [at for at in range(len(data) - 10) if data[at] == 0xFF and 0xC0 <= data[at + 1] <= 0xFE]
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 3))):
        at = places[rng.integers(len(places))]
        if rng.integers(3):
            struct.pack_into(">H", changed, at + int(rng.integers(2, 8)), number(rng) % 65_536)
        else:
            changed[at + 1] = int(rng.integers(0xC0, 0xFF))
    return bytes(changed)


_TIFF: dict[str, Mutation] = {"tags": tiff_tags, "cycle": tiff_cycle, "chain": tiff_chain}
FORMATS: dict[str, dict[str, Mutation]] = {
    "png": {"chunks": png_chunks},
    "jpeg": {"segments": jpeg_segments},
    "gif": {},
    "bmp": {},
    "tiff": _TIFF,
    "ome": {**_TIFF, "texts": texts},
    "imagej": {**_TIFF, "texts": texts},
    "dicom": {"elements": dicom_elements},
    "npy": {"header": npy_header, "texts": texts},
}
