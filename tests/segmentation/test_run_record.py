"""The record of a run says all that is needed to make it again, in JSON that everyone reads."""

import hashlib
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import segmentation
from segmentation import Bundle, DecodeParams, Segmenter
from segmentation.pixel_size import PixelSize
from segmentation.run_record import run_record, write_run


def strict_json(path: Path) -> Any:
    """JSON as the standard has it: without NaN and Infinity, which Python would read and others refuse."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_run_record_says_how_it_was_made(six_squares: np.ndarray, bundle_folder: Path, tmp_path: Path) -> None:
    segmenter = Segmenter.from_pretrained(bundle_folder)
    source = tmp_path / "six.png"
    Image.fromarray(six_squares).save(source)
    result = segmenter(source, magnification=2).decode(DecodeParams(threshold=0.4))
    record = run_record(
        result,
        segmenter.bundle,
        model="bright",
        accurate=True,
        channel=0,
        pixel_size=PixelSize(0.5, 0.25),
        source=source,
    )
    again = strict_json(write_run(tmp_path / "run.json", record))
    assert again == record
    assert again["versions"]["nucleoscope"] == segmentation.__version__
    assert again["model"]["name"] == "bright"
    assert again["model"]["revision"] == segmenter.bundle.revision != ""
    assert again["settings"] == {
        "decode": asdict(result.params),
        "magnification": 2,
        "accurate": True,
        "channel": 0,
        "engine": segmenter.engine,
    }
    assert again["settings"]["decode"]["threshold"] == 0.4  # not the bundle's
    assert again["picture"] == {
        "name": "six",
        "file_name": "six.png",
        "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "width": 96,
        "height": 64,
        "channels": 1,
        "dtype": "uint8",
        "pixel_size_um": {"y": 0.5, "x": 0.25},
        "notes": [],
    }
    assert again["result"]["nuclei"] == 6
    made = datetime.fromisoformat(again["created"])
    assert made.tzinfo == UTC
    assert abs(datetime.now(UTC) - made) < timedelta(minutes=5)


def test_run_record_of_an_array(bundle: Bundle, six_squares: np.ndarray) -> None:
    result = Segmenter(bundle)(six_squares)
    record = run_record(result, bundle, model="bright")
    assert record["settings"]["magnification"] == bundle.magnification
    assert record["model"]["revision"] is None  # never saved
    assert record["picture"]["file_name"] == "array"
    assert record["picture"]["sha256"] is None
    assert run_record(result, bundle, model="b", source=b"abc")["picture"]["sha256"].startswith("ba7816bf")


def test_run_has_no_numbers_that_json_lacks(tmp_path: Path) -> None:
    record = {"a": float("nan"), "b": [np.float32("inf"), np.int64(3)], "c": {"d": np.array([1.5, np.nan])}, 4: (True,)}
    path = write_run(tmp_path / "run.json", record)
    assert strict_json(path) == {"a": None, "b": [None, 3], "c": {"d": [1.5, None]}, "4": [True]}
