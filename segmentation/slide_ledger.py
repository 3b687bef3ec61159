"""What is done of a slide, on disk: a folder beside its results with a file for each strip, so that a run can go on."""

import hashlib
import json
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.atomic import replacing
from segmentation.errors import NucleoscopeError
from segmentation.preprocessing import IntensityRange, Preprocessing
from segmentation.slide_maps import block_rows, measure_rows
from segmentation.slide_reader import Slide
from segmentation.slide_watershed import Strip

_EDGE = 2**20  # bytes at either end of a file that tell it from others: headers are at one of them
_FAST = 1  # level of deflate; what it makes is read once or twice and then removed
_RECORD = "ledger.json"
_DAMAGE = (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile)
# Bytes a pixel: with 500 nuclei in a million, outlines take 0.7, strips, labels and measurements half of that.
_BYTES_A_PIXEL, _BYTES_ANYHOW = 1.5, 2**26


def source_of(path: Path) -> dict[str, Any]:
    """What tells a file from others, and from itself after a change, without reading all of it.

    Raises:
        OSError: if it cannot be read.
    """
    facts = path.stat()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(_EDGE))
        file.seek(max(facts.st_size - _EDGE, 0))
        digest.update(file.read(_EDGE))
    return {"size": facts.st_size, "mtime_ns": facts.st_mtime_ns, "ends_sha256": digest.hexdigest()}


def check_space(folder: Path, pixels: int) -> None:
    """Refuse to start where the disk will be full before the end.

    Raises:
        NucleoscopeError: naming what is needed and what there is.
    """
    needed, free = pixels * _BYTES_A_PIXEL + _BYTES_ANYHOW, shutil.disk_usage(folder).free
    if free < needed:
        raise NucleoscopeError(
            f"{folder}: a slide of {pixels / 1e6:,.0f} million pixels may need {needed / 1e9:,.1f} GB there and "
            f"{free / 1e9:,.1f} GB are free; free some, or name another --out."
        )


def work_folder(place: Path) -> Path:
    """Where what is done of a slide lies until its results are whole.

    Args:
        place: of the results, without their suffixes.
    """
    return place.with_name(f".{place.name}.slide")


class Ledger:
    """The strips of a slide that are done, and the range of its values.

    Args:
        folder: of its own, made if need be.
        made_with: what the slide and the settings are, as JSON values. What was made with others is removed.
        resume: whether to keep what is there.
    """

    def __init__(self, folder: Path, made_with: dict[str, Any], *, resume: bool) -> None:
        self._folder = folder
        self.notes: tuple[str, ...] = ()
        made_with = json.loads(json.dumps(made_with))
        before = self._read() if folder.exists() else None
        if before is not None and resume and before.get("made_with") != made_with:
            self.notes = ("Model, settings or file have changed since it was stopped: it begins afresh.",)
        if before is None or not resume or self.notes:
            shutil.rmtree(folder, ignore_errors=True)
            before = {"made_with": made_with, "ranges": [], "seconds": 0.0}
        folder.mkdir(parents=True, exist_ok=True)
        self._record = before
        self.strips = self._whole_strips()
        self._save()

    @property
    def seconds(self) -> float:
        """Wall time of all runs so far."""
        return float(self._record["seconds"])

    def spend(self, seconds: float) -> None:
        """Note the wall time of all runs so far."""
        self._record["seconds"] = seconds

    def measure(self, slide: Slide, preprocessing: Preprocessing) -> Iterator[float]:
        """Measure the slide from where an earlier run stopped; yields the fraction done."""
        rows = block_rows(slide.shape[0], preprocessing.block)
        ranges = self._record["ranges"]
        for index in range(len(ranges), len(rows)):
            ranges.append(measure_rows(slide, preprocessing, rows[index]))
            self._save()
            yield (index + 1) / len(rows)

    @property
    def intensity(self) -> IntensityRange:
        """Of the whole slide, once it is measured."""
        return IntensityRange(
            *(end(each) for end, each in zip((min, max), zip(*self._record["ranges"], strict=True), strict=True))
        )

    @property
    def last(self) -> Strip | None:
        """The lowest strip that is done."""
        return read_strip(self.strips[-1]) if self.strips else None

    def add(self, strip: Strip) -> None:
        """Keep a strip, whole or not at all."""
        path = self._folder / f"strip_{strip.top:09d}.npz"
        with replacing(path) as scratch:
            _write(scratch, strip)
        self.strips.append(path)
        self._save()

    def read(self) -> Iterator[Strip]:
        """All strips from top to bottom."""
        return map(read_strip, self.strips)

    def scratch(self, name: str) -> Path:
        """A place for what is needed meanwhile."""
        return self._folder / name

    def remove(self) -> None:
        """All results are there."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _whole_strips(self) -> list[Path]:
        """Those that follow each other from the top without a gap; further ones are of no use."""
        found: list[Path] = []
        bottom = 0
        for path in sorted(self._folder.glob("strip_*.npz")):
            if int(path.stem.rpartition("_")[2]) != bottom:
                break
            try:
                bottom = _bottom(path)
            except _DAMAGE:
                break
            found.append(path)
        return found

    def _read(self) -> dict[str, Any] | None:
        try:
            record = json.loads((self._folder / _RECORD).read_text(encoding="utf-8"))
            return record if isinstance(record, dict) and {"ranges", "seconds"} <= record.keys() else None
        except (OSError, ValueError):
            return None

    def _save(self) -> None:
        with replacing(self._folder / _RECORD) as scratch:
            scratch.write_text(json.dumps(self._record), encoding="utf-8")


def _write(path: Path, strip: Strip) -> None:
    packed = np.frombuffer(zlib.compress(strip.ids.tobytes(), _FAST), np.uint8)
    with path.open("wb") as file:
        np.savez(
            file,
            place=np.array([strip.top, *strip.ids.shape]),
            ids=packed,
            peaks=strip.peaks,
            ups=strip.ups,
            downs=strip.downs,
            area=strip.area,
            probability=strip.probability,
            reach=strip.reach,
            at_border=strip.at_border,
            levels=strip.levels,
            **{f"inner{index}": each for index, each in enumerate(strip.inner)},  # type: ignore[arg-type]
            **{f"seam{index}": each for index, each in enumerate(strip.seam)},  # type: ignore[arg-type]
        )


def read_strip(path: Path) -> Strip:
    """A strip as :meth:`Ledger.add` kept it.

    Raises:
        NucleoscopeError: if it is damaged.
    """
    names = ("peaks", "ups", "downs", "area", "probability", "reach", "at_border", "levels")
    try:
        with np.load(path, allow_pickle=False) as stored:
            top, height, width = stored["place"].tolist()
            ids = np.frombuffer(zlib.decompress(stored["ids"].tobytes()), np.int32).reshape(height, width)
            inner: tuple[NDArray, NDArray, NDArray] = stored["inner0"], stored["inner1"], stored["inner2"]
            seam: tuple[NDArray, NDArray, NDArray] = stored["seam0"], stored["seam1"], stored["seam2"]
            return Strip(top, ids, inner=inner, seam=seam, **{name: stored[name] for name in names})
    except _DAMAGE as error:
        raise NucleoscopeError(
            f"{path}: what was done of the slide is damaged; begin afresh, without --resume."
        ) from error


def _bottom(path: Path) -> int:
    with np.load(path, allow_pickle=False) as stored:
        top, height, _ = stored["place"].tolist()
    return int(top + height)
