"""Values that break programs: numbers at the edges of their types, and things of other types altogether."""

import struct
from typing import Any

import numpy as np

NUMBERS = (0, 1, 2, 3, 255, 256, 4095, 6000, 19_000, 32_767, 65_535, 65_536, 10**6, 2**31 - 1, 2**31, 2**32 - 1, 2**63)
FORMS = ("<B", "<H", ">H", "<I", ">I", "<Q", ">Q")
ODD_TEXTS = (
    "",
    " ",
    "\0",
    "a" * 5000,
    "../../etc/passwd",
    "/etc/passwd",
    "=cmd|' /C calc'!A0",
    "<script>",
    "\ud800",
    "٣",
    "NaN",
)


def packed(rng: np.random.Generator) -> bytes:
    """A number of :data:`NUMBERS`, or near one, in a form of :data:`FORMS`."""
    form = FORMS[rng.integers(len(FORMS))]
    bits = 8 * struct.calcsize(form)
    return struct.pack(form, (number(rng) + int(rng.integers(-1, 2))) % (1 << bits))


def number(rng: np.random.Generator) -> int:
    """One of :data:`NUMBERS`."""
    return NUMBERS[rng.integers(len(NUMBERS))]


def odd(rng: np.random.Generator, depth: int = 0) -> Any:
    """Anything that JSON can carry, and Python's JSON beyond it: NaN, infinity, numbers of no end."""
    kind = int(rng.integers(14 if depth < 3 else 11))
    if kind == 0:
        return None
    if kind == 1:
        return bool(rng.integers(2))
    if kind in (2, 3):
        return number(rng) * (1 if rng.integers(2) else -1)
    if kind == 4:
        return float(rng.normal() * 10.0 ** rng.integers(-9, 9))
    if kind == 5:
        return (float("nan"), float("inf"), float("-inf"), 1e308, -0.0, 5e-324)[rng.integers(6)]
    if kind == 6:
        return 10 ** int(rng.integers(20, 5000))
    if kind in (7, 8):
        return ODD_TEXTS[rng.integers(len(ODD_TEXTS))]
    if kind == 9:
        return float(rng.uniform(-2, 2))
    if kind == 10:
        return str(number(rng))
    if kind == 11:
        return [odd(rng, depth + 1) for _ in range(rng.integers(4))]
    if kind == 12:
        return {ODD_TEXTS[rng.integers(6)] or "key": odd(rng, depth + 1) for _ in range(rng.integers(3))}
    nested: Any = 1
    for _ in range(int(rng.integers(1, 200))):
        nested = [nested]
    return nested
