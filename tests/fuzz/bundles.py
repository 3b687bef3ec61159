"""Model folders that are wrong: settings of other types, weights whose header lies, files that are cut."""

import hashlib
import json
import struct
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from segmentation.bundle import CONFIG, WEIGHTS
from tests.fuzz.byte_mutations import BYTES
from tests.fuzz.values import number, odd

BUNDLES = ("none", "config", "config_text", "weights_header", "weights_bytes", "missing")


@cache
def good_bundle(folder: Path) -> Path:
    """A small whole bundle."""
    from tests.conftest import bright_is_nucleus

    return bright_is_nucleus().save(folder / "good")


def make_bundle(rng: np.random.Generator, mutation: str, good: Path) -> dict[str, bytes]:
    """The files of a bundle, with one of the ``BUNDLES`` wrong; their hash is right unless that is what is wrong."""
    config, weights = json.loads((good / CONFIG).read_text()), (good / WEIGHTS).read_bytes()
    if mutation == "weights_header":
        weights = _header(weights, rng)
    elif mutation == "weights_bytes":
        weights = list(BYTES.values())[rng.integers(len(BYTES))](weights, rng)
    if rng.integers(8):
        config["weights_sha256"] = hashlib.sha256(weights).hexdigest()
    if mutation == "config":
        for _ in range(int(rng.integers(1, 4))):
            change(config, rng)
    files = {CONFIG: _json(config), WEIGHTS: weights}
    if mutation == "config_text":
        files[CONFIG] = list(BYTES.values())[rng.integers(len(BYTES))](files[CONFIG], rng)
    elif mutation == "missing":
        del files[(CONFIG, WEIGHTS)[rng.integers(2)]]
    return files


def change(value: Any, rng: np.random.Generator) -> None:
    """Put something odd somewhere into nested dictionaries and lists."""
    while True:
        keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = keys[rng.integers(len(keys))]
        inside = value[key]
        if isinstance(inside, dict | list) and inside and rng.integers(4):
            value = inside
            continue
        what = int(rng.integers(8))
        if what == 0 and isinstance(value, dict):
            del value[key]
        elif what == 1 and isinstance(value, dict):
            value["extra"] = odd(rng)
        elif what in (2, 3) and isinstance(inside, int | float) and not isinstance(inside, bool):
            value[key] = inside * int(rng.integers(-3, 2000)) + int(rng.integers(-2, 3))
        else:
            value[key] = odd(rng)
        return


def _header(weights: bytes, rng: np.random.Generator) -> bytes:
    length = struct.unpack_from("<Q", weights)[0]
    header, body = json.loads(weights[8 : 8 + length]), weights[8 + length :]
    what = int(rng.integers(5))
    if what == 0:
        return struct.pack("<Q", number(rng) % 2**64) + weights[8:]
    name = list(header)[rng.integers(len(header))]
    if what == 1:
        change(header, rng)
    elif what == 2 and "data_offsets" in header[name]:
        header[name]["data_offsets"][rng.integers(2)] = number(rng)
    elif what == 3 and "shape" in header[name]:
        header[name]["shape"] = [number(rng) for _ in range(rng.integers(0, 5))]
    elif "dtype" in header[name]:
        header[name]["dtype"] = ("F64", "I8", "BF16", "F8_E4M3", "C64", "U64", "nonsense", "BOOL")[rng.integers(8)]
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def _json(config: object) -> bytes:
    """As JSON, with numbers of more digits than Python writes out by itself."""
    most = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return json.dumps(config).encode()
    finally:
        sys.set_int_max_str_digits(most)
