"""What a visitor has while a run is under way, after one that was stopped, and after a reload."""

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.conftest import squares
from ui.actions import Actions
from ui.models import Models
from ui.session import Session
from ui.store import Store

READ = ("As it is", "Each plane by itself", 0.0)
KNOBS = (0.5, 0.0, 12, 0, False, 0.0)
FEWER = (0.5, 0.0, 1000, 0, False, 0.0)  # squares of 100 pixels are too small


@pytest.fixture
def actions(bundle_folder: Path) -> Actions:
    return Actions(Models([bundle_folder], "cpu"), Store())


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    files = [tmp_path / f"{name}.png" for name in "abc"]
    for path in files:
        Image.fromarray(squares()).save(path)
    return [str(path) for path in files]


def begin(actions: Actions, key: str | None, paths: list[str], *read: Any, accurate: bool = False) -> tuple[str, Any]:
    """The key of a run, and what it brings yet."""
    run = actions.run(key, paths, actions.models.default, *(read or READ), accurate, 1.0, *KNOBS)
    return next(run)[0], run


def segmented(actions: Actions, paths: list[str], *read: Any) -> str:
    key, run = begin(actions, None, paths, *read)
    list(run)
    return key


def counts(session: Session) -> list[int]:
    return [found.count for found in session.found]


def corrected(actions: Actions, key: str) -> None:
    """Delete a nucleus of the first picture."""
    drawn = gr.EventData(None, {"kind": "delete", "labels": [1], "points": []})  # type: ignore[arg-type]
    actions.correct(key, "a", drawn)
    assert counts(actions.store.get(key))[0] == 5


def test_sliders_and_pixel_size_that_change_under_way_are_those_of_all_pictures(
    actions: Actions, paths: list[str]
) -> None:
    key, run = begin(actions, None, paths)
    next(run)
    actions.adjust(key, "a", *FEWER)
    actions.resize(key, "a", 0.5)
    assert counts(actions.store.get(key)) == [0]
    list(run)
    session = actions.store.get(key)
    assert counts(session) == [0, 0, 0]
    assert [found.result.image.pixel_size for found in session.found] == [(0.5, 0.5)] * 3


def test_sliders_that_change_before_the_first_picture(actions: Actions, paths: list[str]) -> None:
    key = segmented(actions, paths)
    key, run = begin(actions, key, paths, accurate=True)
    left_alone = actions.adjust(key, "a", *FEWER)  # the page shows the run before
    assert all(isinstance(value, dict) for value in left_alone)
    assert counts(actions.store.get(key)) == [6, 6, 6]
    list(run)
    assert counts(actions.store.get(key)) == [0, 0, 0]


def test_a_run_that_is_refused_changes_nothing(actions: Actions, paths: list[str]) -> None:
    key = segmented(actions, paths)
    run = actions.run(key, paths, "no such model", *READ, False, 1.0, *KNOBS)
    with pytest.raises(gr.Error, match="no such model"):
        list(run)
    assert counts(actions.store.get(key)) == [6, 6, 6]


@pytest.mark.parametrize("end", ["stopped", "reloaded"])
def test_a_run_that_brought_nothing_takes_nothing(actions: Actions, paths: list[str], end: str) -> None:
    key = segmented(actions, paths)
    corrected(actions, key)
    key, run = begin(actions, key, paths[:1], accurate=True)
    assert counts(actions.store.get(key)) == [5, 6, 6]
    if end == "stopped":
        run.close()
    else:
        assert actions.restore(key)[0] == key
        list(run)  # Gradio may take a moment to end it; what it brings is nobody's by then
    assert counts(actions.store.get(key)) == [5, 6, 6]
    actions.adjust(key, "a", *FEWER)
    assert counts(actions.store.get(key)) == [0, 0, 0]


def test_a_run_that_brought_a_picture_has_taken_the_place(actions: Actions, paths: list[str]) -> None:
    key = segmented(actions, paths)
    key, run = begin(actions, key, paths[:2], accurate=True)
    next(run)
    run.close()
    assert counts(actions.store.get(key)) == [6]
    assert actions.store.get(key).accurate


def test_sliders_put_back_after_undo_keep_what_undo_brought_back(actions: Actions, paths: list[str]) -> None:
    key = segmented(actions, paths)
    corrected(actions, key)
    assert "without your corrections" in actions.adjust(key, "a", *FEWER)[1]["message"]
    actions.correct(key, "a", gr.EventData(None, {"kind": "undo"}))  # type: ignore[arg-type]
    assert actions.adjust(key, "a", *KNOBS)[1]["message"] == ""
    assert counts(actions.store.get(key)) == [5, 6, 6]


def test_what_a_newer_run_replaced_does_not_come_back(actions: Actions, paths: list[str]) -> None:
    key = segmented(actions, paths)
    begin(actions, key, paths)
    actions.stop(key)
    assert actions.store.find(key) is None


def test_a_failure_is_shown_too(actions: Actions, paths: list[str], tmp_path: Path) -> None:
    key = segmented(actions, paths)
    (tmp_path / "bad.png").write_text("no picture")
    key, run = begin(actions, key, [str(tmp_path / "bad.png")])
    list(run)
    session = actions.store.get(key)
    assert not session.found
    assert [name for name, _ in session.failures] == ["bad.png"]


def test_after_a_reload_the_controls_are_those_of_the_pictures(actions: Actions, tmp_path: Path) -> None:
    stack = np.stack([np.stack([squares() // 2, squares()])] * 2)  # planes, channels
    tifffile.imwrite(
        tmp_path / "stack.ome.tif", stack, metadata={"axes": "ZCYX", "Channel": {"Name": ["first", "second"]}}
    )
    key = segmented(actions, [str(tmp_path / "stack.ome.tif")], "1: second", "Mean of all planes", 0.25)
    _, model, _card, *values = actions.restore(key)
    text, accordion, channel, projection, pixel_size = values[8:13]
    assert "stack.ome.tif" in text
    assert accordion.visible
    assert (channel.value, projection.value, projection.visible, pixel_size) == (
        "1: second",
        "Mean of all planes",
        True,
        0.25,
    )
    # So what the page then asks for is what it has, and the network does not run.
    asked = (model.value, channel.value, projection.value, pixel_size, values[7], values[6])
    (answer,) = actions.rerun(key, None, *asked, *KNOBS)
    assert all(isinstance(value, dict) for value in answer)
    # Nor does it where the file itself is gone by then.
    (tmp_path / "stack.ome.tif").unlink()
    again = actions.restore(key)
    assert again[0] == key
    (answer,) = actions.rerun(key, None, model.value, again[13].value, *asked[2:], *KNOBS)
    assert all(isinstance(value, dict) for value in answer)
