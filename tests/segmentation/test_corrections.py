"""Corrections as values, histories walked back and forth, numbers without gaps."""

import json
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from skimage.segmentation import relabel_sequential

from segmentation.corrections import Correction, History, apply, renumbered
from segmentation.errors import ImageShapeError, ParameterError
from segmentation.examples import make_example
from segmentation.label_edits import delete, draw, merge, split

LINE = ((3.0, 0.0), (3.5, 20.25))
OUTLINE = ((10.0, 10.0), (15.0, 10.0), (12.0, 16.0))
CORRECTIONS = [
    Correction("delete", (2,)),
    Correction("merge", (3, 1)),
    Correction("split", (1,), LINE),
    Correction("draw", (), OUTLINE),
]


@pytest.fixture
def labels() -> np.ndarray:
    labels = np.zeros((17, 21), np.uint16)
    labels[0:8, 0:9], labels[0:4, 12:20], labels[8:11, 3:9] = 1, 2, 3
    return labels


@pytest.mark.parametrize("correction", CORRECTIONS, ids=lambda correction: correction.kind)
def test_json_and_back(correction: Correction) -> None:
    assert Correction.from_json(json.loads(json.dumps(correction.to_json()))) == correction


def test_numbers_of_numpy_become_json(labels: np.ndarray) -> None:
    points = tuple(tuple(point) for point in np.array(LINE, np.float32))
    correction = Correction("split", (labels[0, 0],), points)
    assert json.loads(json.dumps(correction.to_json())) == {
        "kind": "split",
        "labels": [1],
        "points": [[3.0, 0.0], [3.5, 20.25]],
    }
    np.testing.assert_array_equal(apply(labels, correction), apply(labels, CORRECTIONS[2]))


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "delete",
        {},
        {"kind": "delete", "labels": [1]},
        {"kind": "delete", "labels": [1.5], "points": []},
        {"kind": "delete", "labels": ["1"], "points": []},
        {"kind": "delete", "labels": 1, "points": []},
        {"kind": "draw", "labels": [], "points": [[1, 2, 3]]},
        {"kind": "draw", "labels": [], "points": [[1, "a"]]},
        {"kind": "draw", "labels": [], "points": [[1, 10**400]]},
    ],
)
def test_what_is_no_correction(value: object) -> None:
    with pytest.raises(ParameterError, match=r"^No correction \(.*must be an object with kind, labels"):
        Correction.from_json(value)


@pytest.mark.parametrize("kind", ["erase", None, ["delete"], {}])
def test_unknown_kinds(kind: object) -> None:
    with pytest.raises(ParameterError, match="choose one of delete, merge, split, draw"):
        Correction.from_json({"kind": kind, "labels": [1], "points": []})


@pytest.mark.parametrize(
    ("kind", "count", "points"),
    [
        ("delete", 0, ()),
        ("delete", 2, ()),
        ("delete", 1, LINE),
        ("merge", 1, ()),
        ("merge", 2, LINE),
        ("split", 1, ()),
        ("split", 0, LINE),
        ("split", 2, LINE),
        ("draw", 0, ()),
        ("draw", 1, OUTLINE),
    ],
)
def test_labels_and_points_that_do_not_belong(kind, count: int, points) -> None:
    with pytest.raises(
        ParameterError, match=rf"kind='{kind}' with {count} labels and {len(points)} points: delete takes"
    ):
        Correction(kind, tuple(range(1, count + 1)), points)


def test_apply_calls_the_function_of_that_name(labels: np.ndarray) -> None:
    expected = [delete(labels, 2), merge(labels, [1, 3]), split(labels, 1, LINE), draw(labels, OUTLINE)]
    labels.flags.writeable = False
    for correction, after in zip(CORRECTIONS, expected, strict=True):
        np.testing.assert_array_equal(apply(labels, correction), after)
        assert (after != labels).any()


def test_corrections_are_values() -> None:
    assert len({*CORRECTIONS, Correction("delete", (2,))}) == 4
    with pytest.raises(FrozenInstanceError):
        CORRECTIONS[0].kind = "draw"  # type: ignore[misc]


def random_correction(generator: np.random.Generator, labels: np.ndarray) -> Correction:
    numbers = np.unique(labels[labels > 0]).tolist()
    kind = ["delete", "merge", "split", "draw"][generator.integers(4)]
    points = tuple((float(y), float(x)) for y, x in generator.uniform(-5, np.add(labels.shape, 5), (6, 2)))
    if kind == "draw":
        return Correction("draw", (), points)
    count = 2 if kind == "merge" else 1
    chosen = tuple(generator.choice(numbers, count, replace=False).tolist())
    return Correction(kind, chosen, points if kind == "split" else ())  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(4))
def test_walks_back_and_forth_through_all_that_was_done(seed: int) -> None:
    generator = np.random.default_rng(seed)
    start = make_example("fluorescence", seed, height=67, width=90, nuclei=20, radius=(5, 9)).labels.astype(np.uint16)
    history, states, done = History(start), [start], list[Correction]()
    while len(done) < 25:
        if history.can_undo and generator.random() < 0.2:
            history, _, _ = history.undo(), states.pop(), done.pop()
            continue
        correction = random_correction(generator, history.labels)
        try:
            expected = apply(states[-1], correction)
        except ParameterError:
            with pytest.raises(ParameterError):
                history.done(correction)
            continue
        history = history.done(correction)
        states.append(expected)
        done.append(correction)
        assert not history.can_redo
    assert history.corrections == tuple(done)
    for index in range(len(done) - 1, -1, -1):
        history = history.undo()
        np.testing.assert_array_equal(history.labels, states[index])
        assert history.corrections == tuple(done[:index])
    assert not history.can_undo
    for index in range(1, len(done) + 1):
        history = history.redo()
        np.testing.assert_array_equal(history.labels, states[index])
    assert (history.can_undo, history.can_redo, history.corrections) == (True, False, tuple(done))


def test_the_type_comes_and_goes_with_the_number_that_needs_it(labels: np.ndarray) -> None:
    labels[16, 20] = 65_535
    first = History(labels)
    second = first.done(CORRECTIONS[3])
    assert (first.labels.dtype, second.labels.dtype) == (np.uint16, np.uint32)
    assert second.labels.max() == 65_536
    np.testing.assert_array_equal(second.undo().labels, labels)
    assert second.undo().labels.dtype == np.uint16
    np.testing.assert_array_equal(second.undo().redo().labels, second.labels)


def test_a_history_never_changes(labels: np.ndarray) -> None:
    kept = labels.copy()
    first = History(labels)
    second = first.done(CORRECTIONS[0])
    labels[:] = 9
    other = second.undo().done(CORRECTIONS[1])
    np.testing.assert_array_equal(first.labels, kept)
    np.testing.assert_array_equal(second.labels, delete(kept, 2))
    np.testing.assert_array_equal(other.labels, merge(kept, [1, 3]))
    assert (first.can_undo, first.can_redo) == (False, False)
    assert not other.can_redo  # what was undone before a new correction is forgotten
    for history in (first, second, second.undo(), second.undo().redo()):
        with pytest.raises(ValueError, match="read-only"):
            history.labels[0, 0] = 5


def test_nothing_to_undo_or_redo(labels: np.ndarray) -> None:
    with pytest.raises(ParameterError, match="No correction is left to undo"):
        History(labels).undo()
    with pytest.raises(ParameterError, match="No undone correction is left"):
        History(labels).redo()


def test_a_long_history_costs_little_more_than_the_labels() -> None:
    example = make_example("fluorescence", 1, height=512, width=512, nuclei=90, radius=(10, 17)).labels
    history = History(example.astype(np.uint16))
    for number in range(1, example.max() + 1):
        ys, xs = np.nonzero(example == number)
        history = history.done(Correction("split", (number,), ((ys.min() - 2, xs.mean()), (ys.max() + 2, xs.mean()))))
        history = history.done(Correction("delete", (number,)))
    assert len(history.corrections) == 2 * example.max() > 120
    assert len(pickle.dumps(history)) < history.labels.nbytes + 1000 * len(history.corrections)


@pytest.mark.parametrize(("dtype", "offset"), [("uint8", 0), ("uint16", 900), ("uint32", 4 * 10**9), ("int64", 10**15)])
def test_renumbered_as_scikit_image_does(dtype: str, offset: int) -> None:
    example = make_example("tissue", 2, height=60, width=71, nuclei=15).labels
    labels = np.where(example % 3 > 0, example * np.uint64(7) + offset, 0).astype(dtype)
    expected = relabel_sequential(example * (example % 3 > 0))[0]
    np.testing.assert_array_equal(renumbered(labels), expected)
    assert renumbered(labels).dtype == np.uint16
    np.testing.assert_array_equal(renumbered(labels[labels > 0][None]).ravel(), expected[expected > 0])  # no background


def test_renumbered_has_room_for_many() -> None:
    labels = np.arange(300 * 300, dtype=np.int64).reshape(300, 300) * 3
    np.testing.assert_array_equal(renumbered(labels), labels // 3)
    assert renumbered(labels).dtype == np.uint32
    assert renumbered(labels[:200, :100]).dtype == np.uint16
    for shape in ((0, 4), (3, 4)):
        np.testing.assert_array_equal(renumbered(np.zeros(shape, np.uint8)), np.zeros(shape))


@pytest.mark.parametrize("wrong", [np.zeros((4, 4)), np.zeros((4, 4, 1), int), np.full((4, 4), -1)])
def test_what_are_no_labels(wrong: np.ndarray) -> None:
    for attempt in (renumbered, History):
        with pytest.raises(ImageShapeError, match=r"must be \(H, W\) integers, 0 or more"):
            attempt(wrong)
