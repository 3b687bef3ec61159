import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmentation import DecodeParams, Segmenter, limits
from segmentation.corrections import Correction
from segmentation.pixel_size import PixelSize
from segmentation.segmenter import Segmentation
from tests.conftest import squares
from ui.actions import Actions
from ui.checks import check_run
from ui.models import Models
from ui.segmenting import segment_files
from ui.session import Found, Reading, Session
from ui.show import overview, page_table, summary_html
from ui.store import Store, VisitError


@pytest.fixture
def segmenter(bundle_folder: Path) -> Segmenter:
    return Segmenter.from_pretrained(bundle_folder, "cpu")


@pytest.fixture
def paths(tmp_path: Path) -> list[tuple[str, Path]]:
    """Two pictures of one name from different folders, and a stack of two pages."""
    files = [tmp_path / "a" / "cells.png", tmp_path / "b" / "cells.png", tmp_path / "stack.tif"]
    for path in files[:2]:
        path.parent.mkdir()
        Image.fromarray(squares()).save(path)
    tifffile.imwrite(files[2], np.stack([squares(), squares()]), photometric="minisblack")
    return [(path.name, path) for path in files]


@pytest.fixture
def session(segmenter: Segmenter, paths: list[tuple[str, Path]]) -> Session:
    session = Session()
    assert len(list(segment_files(session, segmenter, paths, lambda done, text: None))) == 3
    return session


def test_equal_names_are_told_apart(session: Session) -> None:
    assert session.names() == ["cells", "cells_2", "stack_page1", "stack_page2"]
    assert [row[:2] for row in overview(session)] == [[name, 6] for name in session.names()]
    assert session.of("stack_page2") is session.found[3]
    assert session.of("unknown") is session.found[0]
    assert Session().of("cells") is None


def test_progress_climbs_to_the_end(segmenter: Segmenter, paths: list[tuple[str, Path]]) -> None:
    steps: list[float] = []
    texts: set[str] = set()

    def note(done: float, text: str) -> None:
        steps.append(done)
        texts.add(text)

    list(segment_files(Session(), segmenter, paths, note))
    assert steps == sorted(steps)
    assert steps[-1] == pytest.approx(1.0)
    assert "Segmenting stack.tif (3 of 3)" in texts


def test_a_bad_file_is_named_and_the_others_go_on(
    segmenter: Segmenter, paths: list[tuple[str, Path]], tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_text("no picture")
    session = Session()
    files = [("bad.png", tmp_path / "bad.png"), ("gone.png", tmp_path / "gone.png"), *paths[:1]]
    list(segment_files(session, segmenter, files, lambda done, text: None))
    assert session.names() == ["cells"]
    assert [name for name, _ in session.failures] == ["bad.png", "gone.png"]
    assert [row[1] for row in overview(session)] == [6, "failed", "failed"]


def test_a_file_that_joins_leaves_the_others_as_they_are(
    segmenter: Segmenter, paths: list[tuple[str, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    params, previous = segmenter.bundle.decode, Session()
    list(segment_files(previous, segmenter, paths[:1], lambda *_: None))
    first = previous.found[0]
    first.history = first.history.done(Correction("delete", labels=(1,)))
    later = Session()
    assert later.same_network(previous)
    list(segment_files(later, segmenter, paths, lambda *_: None, previous))
    assert later.found[0] is first
    assert len(later.found) > len(previous.found)
    assert first.history.corrections
    # Other values of the sliders, and the pixel size, come to those that are taken over too.
    other = replace(params, threshold=0.95)
    last = Session(reading=Reading(pixel_size=0.5), params=other)
    monkeypatch.setattr(segmenter, "predict_maps", None)
    list(segment_files(last, segmenter, paths, lambda *_: None, later))
    assert [found.result.params for found in last.found] == [other] * len(later.found)
    assert last.found[0].result.image.pixel_size == (0.5, 0.5)
    assert last.found[0].can_undo
    # Another channel is another answer of the network.
    assert not Session(reading=Reading(channel=1)).same_network(previous)


def test_other_parameters_do_not_run_the_network(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Segmenter, "predict_maps", lambda *_: pytest.fail("the network ran"))
    found = session.found[0]
    seconds = found.result.seconds
    found.decode(DecodeParams(min_area=1000))
    assert found.count == 0
    assert found.result.seconds == seconds
    assert "0 nuclei" in summary_html(found, page_table(found))


def test_pixel_size_is_changed_and_brought_back(session: Session) -> None:
    found = session.found[0]
    pixels = page_table(found)["area_px"].to_numpy()
    found.resize(PixelSize(0.5, 0.5))
    np.testing.assert_allclose(page_table(found)["area_um2"], pixels / 4)
    assert "median area 25 µm²" in summary_html(found, page_table(found))
    found.resize(None)
    assert "area_px" in page_table(found)


def test_corrections_that_come_back_have_the_new_pixel_size(session: Session) -> None:
    found = session.found[0]
    found.history = found.history.done(Correction("delete", labels=(1,)))
    found.decode(replace(found.result.params, min_area=found.result.params.min_area + 1))
    found.resize(PixelSize(0.25, 0.25))
    found.undo()
    assert found.history.corrections
    assert "area_um2" in found.table()


def test_a_given_pixel_size_is_that_of_every_picture(segmenter: Segmenter, paths: list[tuple[str, Path]]) -> None:
    session = Session(reading=Reading(pixel_size=0.25))
    list(segment_files(session, segmenter, paths, lambda done, text: None))
    assert {found.result.image.pixel_size for found in session.found} == {PixelSize(0.25, 0.25)}


def test_final_labels_have_no_gaps(session: Session) -> None:
    found = session.found[0]
    found.history = found.history.done(Correction("delete", (2,)))
    final: Segmentation = found.final()
    assert found.count == 5
    assert set(np.unique(final.labels)) == set(range(6))
    assert 2 not in found.labels


def test_names_are_escaped(session: Session) -> None:
    found: Found = session.found[0]
    object.__setattr__(found.result.image, "name", "<script>")
    assert "<script>" not in summary_html(found, page_table(found))


def test_store_keeps_visitors_apart_and_forgets_the_oldest() -> None:
    store = Store(kept_bytes=100)
    keys = []
    for _ in range(3):
        key, session = store.open()
        keys.append(key)
        session.__class__ = type("Heavy", (Session,), {"nbytes": property(lambda self: 60)})
    assert len(set(keys)) == 3
    assert min(map(len, keys)) >= 32
    latest, _ = store.open()
    assert [store.find(key) is not None for key in (*keys, latest)] == [False, False, True, True]
    with pytest.raises(VisitError, match="no longer kept: drop them again"):
        store.get(keys[0])


def test_store_forgets_what_is_long_unused_and_what_is_replaced() -> None:
    store = Store(kept_seconds=-1)
    key, _ = store.open()
    assert store.find(key) is None
    store = Store()
    first, session = store.open()
    assert store.get(first) is session
    second, _ = store.open(replaces=first)
    assert store.find(first) is None
    assert len(store) == 1
    assert store.find("") is store.find(None) is None
    assert store.find(second) is not None


def test_downloads_go_with_the_session(session: Session) -> None:
    folder = session.place()
    assert folder.is_dir()
    assert session.place() == folder
    session.folder = None
    gc.collect()
    assert not folder.exists()


def test_too_many_files_never_join_the_queue() -> None:
    rest = ["nuclei", "As it is"]
    assert all(verdict["is_valid"] for verdict in check_run("key", ["a.png"] * limits.MAX_MEMBERS, *rest))
    verdicts = check_run("key", ["a.png"] * (limits.MAX_MEMBERS + 1), *rest)
    assert [verdict["is_valid"] for verdict in verdicts] == [True, False, True, True]
    assert verdicts[1]["message"].startswith("10,001 files: at most 10,000 at a time.")


def test_actions_on_a_forgotten_visit_leave_the_page_alone(bundle_folder: Path) -> None:
    actions = Actions(Models([bundle_folder], "cpu"), Store())
    knobs = (0.5, 0.0, 12, 0, False, 0.0)
    assert all(isinstance(value, dict) for value in actions.adjust("gone", None, *knobs))
    (values,) = actions.rerun("gone", None, "own", "As it is", "Each plane by itself", 0, False, 1.0, *knobs)
    assert len(values) == 8
