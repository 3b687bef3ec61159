"""A slide that was stopped goes on where it was, and ends with the bytes of one that was not."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import segmentation.segmenter
from segmentation import DecodeParams, Preprocessing, Segmenter
from segmentation.batch_settings import Settings
from segmentation.slide_segment import SLIDE_FORMATS, SlideResult, segment_slide
from tests.conftest import bright_is_nucleus
from tests.segmentation.slides import contents, drawn, write_slide

HERE = "segmentation.slide_segment"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation.segmenter, "TILE", 48)
    monkeypatch.setattr(segmentation.segmenter, "OVERLAP", 16)
    monkeypatch.setattr(f"{HERE}.STRIP", 190 * 20)
    monkeypatch.setattr("segmentation.slide_pyramid.TILE", 64)


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    return write_slide(tmp_path / "slide.tif", drawn("tissue"))


class Run:
    """Runs with settings, and remembers what was said and which tiles the network saw."""

    def __init__(self, slide: Path, out: Path) -> None:
        self.slide, self.out = slide, out
        bundle = replace(bright_is_nucleus(threshold=0.3, separation=0.7), preprocessing=Preprocessing(block=64))
        self.segmenter = Segmenter(bundle, "cpu", "pytorch")
        self.said: list[str] = []
        self.fractions: list[float] = []

    def __call__(self, *, resume: bool = False, params: DecodeParams | None = None) -> SlideResult:
        self.said.clear()
        self.fractions.clear()
        settings = Settings(self.out, params, SLIDE_FORMATS, resume=resume)
        return segment_slide(self.slide, settings, self.segmenter, say=self.said.append, progress=self.fractions.append)


@pytest.fixture
def run(slide: Path, tmp_path: Path) -> Run:
    return Run(slide, tmp_path / "out")


@pytest.fixture
def truth(slide: Path, tmp_path: Path) -> dict[str, Any]:
    Run(slide, tmp_path / "unbroken")()
    return contents(tmp_path / "unbroken")


def stopped_at(number: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which ends the process the ``number``-th time it is called."""
    calls = iter(range(1, 10_000))

    def call(*arguments: Any, **more: Any) -> Any:
        if next(calls) == number:
            raise KeyboardInterrupt
        return function(*arguments, **more)

    return call


STAGES = [
    ("segmentation.slide_ledger.measure_rows", 1),
    ("segmentation.slide_ledger.measure_rows", 2),
    (f"{HERE}.split_strip", 1),
    (f"{HERE}.split_strip", 4),
    (f"{HERE}.split_strip", 8),
    (f"{HERE}.number_nuclei", 1),
    ("segmentation.slide_results.measure_window", 1),
    ("segmentation.slide_results.measure_window", 5),
    ("segmentation.slide_results.write_pyramid", 1),
    ("segmentation.slide_pyramid._cut", 2),
    ("segmentation.slide_results.write_run", 1),
]


@pytest.mark.parametrize(("function", "number"), STAGES)
def test_stopped_anywhere_it_goes_on(
    function: str, number: int, run: Run, truth: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _, name = function.rpartition(".")
    with monkeypatch.context() as patch:
        original = getattr(__import__(module, fromlist=[name]), name)
        patch.setattr(function, stopped_at(number, original))
        with pytest.raises(KeyboardInterrupt):
            run()
    run(resume=True)
    assert contents(run.out) == truth
    if "split_strip" in function and number > 1:
        assert "rows were done before" in run.said[0]
        assert run.fractions[0] > 0.05


def test_what_is_done_is_not_done_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(f"{HERE}.number_nuclei", stopped_at(1, lambda: None))
        with pytest.raises(KeyboardInterrupt):
            run()
    result = run(resume=True)
    assert result.tiles == result.skipped == 0
    assert result.count > 10


def test_without_resume_it_begins_afresh(run: Run, truth: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(f"{HERE}.number_nuclei", stopped_at(1, lambda: None))
        with pytest.raises(KeyboardInterrupt):
            run()
    assert run().tiles > 10
    assert run.said == []
    assert contents(run.out) == truth


@pytest.mark.parametrize("change", ["settings", "slide"])
def test_what_has_changed_begins_afresh(change: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(f"{HERE}.number_nuclei", stopped_at(1, lambda: None))
        with pytest.raises(KeyboardInterrupt):
            run()
    if change == "slide":
        write_slide(run.slide, drawn("tissue", 9))
    params = DecodeParams(threshold=0.4) if change == "settings" else None
    result = run(resume=True, params=params)
    assert run.said == ["Model, settings or file have changed since it was stopped: it begins afresh."]
    assert result.count == run.segmenter(run.slide, params).count


@pytest.mark.parametrize("left", [0, 100])
def test_a_strip_that_is_gone_or_cut_short_is_done_again(
    left: int, run: Run, truth: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(f"{HERE}.number_nuclei", stopped_at(1, lambda: None))
        with pytest.raises(KeyboardInterrupt):
            run()
    strips = sorted((run.out / ".slide.slide").glob("strip_*.npz"))
    data = strips[3].read_bytes()[:left]
    strips[3].write_bytes(data) if left else strips[3].unlink()
    assert run(resume=True).tiles > 0
    assert contents(run.out) == truth


def test_a_full_disk_keeps_what_is_done(run: Run, truth: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    import segmentation.slide_ledger

    write = segmentation.slide_ledger._write
    calls: Iterator[int] = iter(range(100))

    def full(path: Path, strip: Any) -> None:
        if next(calls) == 5:
            raise OSError(28, "No space left on device", str(path))
        write(path, strip)

    with monkeypatch.context() as patch:
        patch.setattr("segmentation.slide_ledger._write", full)
        with pytest.raises(OSError, match="No space left"):
            run()
    assert run(resume=True).count > 10
    assert "rows were done before" in run.said[0]
    assert contents(run.out) == truth
    assert json.loads((run.out / "slide_run.json").read_text())["slide"]["source"]["size"] == run.slide.stat().st_size
