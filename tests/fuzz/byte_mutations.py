"""Mutations that know nothing of a file's format."""

from collections.abc import Callable

import numpy as np

from tests.fuzz.values import packed

Mutation = Callable[[bytes, np.random.Generator], bytes]


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    """Turn 1 to 16 bits over."""
    changed = bytearray(data)
    for at in rng.integers(0, len(data), int(rng.integers(1, 17))):
        changed[at] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def flip_head(data: bytes, rng: np.random.Generator) -> bytes:
    """Turn a few bits of the first 256 bytes over, where headers are."""
    return flip(data[:256], rng) + data[256:]


def number(data: bytes, rng: np.random.Generator) -> bytes:
    """Put numbers at the edges of their types into the header, or anywhere."""
    changed = data
    for _ in range(int(rng.integers(1, 4))):
        new, end = packed(rng), min(len(data), 512) if rng.integers(3) else len(data)
        at = int(rng.integers(0, max(end - len(new), 1)))
        changed = changed[:at] + new + changed[at + len(new) :]
    return changed


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """Leave the end away."""
    return data[: int(rng.integers(0, len(data)))]


def remove(data: bytes, rng: np.random.Generator) -> bytes:
    """Take a part out."""
    first, last = sorted(rng.integers(0, len(data), 2).tolist())
    return data[:first] + data[min(last, first + int(rng.integers(1, 64))) :]


def insert(data: bytes, rng: np.random.Generator) -> bytes:
    """Put random bytes in between."""
    at = int(rng.integers(0, len(data)))
    return data[:at] + rng.bytes(int(rng.integers(1, 64))) + data[at:]


def repeat(data: bytes, rng: np.random.Generator) -> bytes:
    """Say a part several times over."""
    first, last = sorted(rng.integers(0, len(data), 2).tolist())
    part = data[first : min(last, first + 512)]
    return data[:first] + part * int(rng.integers(2, 50)) + data[last:]


def move(data: bytes, rng: np.random.Generator) -> bytes:
    """Copy a part over another one."""
    length = int(rng.integers(1, max(len(data) // 4, 2)))
    source, target = (int(at) for at in rng.integers(0, max(len(data) - length, 1), 2))
    return data[:target] + data[source : source + length] + data[target + length :]


def noise(data: bytes, rng: np.random.Generator) -> bytes:
    """Random bytes after a whole beginning."""
    kept = int(rng.integers(4, min(len(data), 300)))
    return data[:kept] + rng.bytes(int(rng.integers(0, 2000)))


BYTES: dict[str, Mutation] = {
    each.__name__: each for each in (flip, flip_head, number, cut, remove, insert, repeat, move, noise)
}
