"""What programs send: wrong types and impossible numbers become one sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segmentation.corrections import Correction
from segmentation.errors import ParameterError
from segmentation.pixel_size import PixelSize
from ui import api_values as values

WRONG: list[tuple[Callable[..., Any], Any]] = [
    *((values.number_of, wrong) for wrong in (float("nan"), float("inf"), 10**400, True, "1", [1], {})),
    *((values.whole_of, wrong) for wrong in (1.5, float("nan"), 10**400, 1e300, False, "2")),
    *((values.flag_of, wrong) for wrong in (1, "true", [])),
    *((values.text_of, wrong) for wrong in (1, ["a"], "a" * 201, "a\nb", "\0", "\ud800")),
    *((values.names_of, wrong) for wrong in ("labels", [1], {"labels": 1}, 3)),
    *((values.file_of, wrong) for wrong in (None, "", "\0", "a" * 5000, 3, ["a"], "\ud800", "/nowhere", "/")),
]


@pytest.mark.parametrize(("check", "wrong"), WRONG)
def test_wrong_values(check: Callable[..., Any], wrong: Any) -> None:
    with pytest.raises(ParameterError, match=r"^threshold") as caught:
        check(wrong, "threshold")
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("wrong", [-1, 1e9, float("nan"), "0.5"])
def test_wrong_pixel_sizes(wrong: Any) -> None:
    with pytest.raises(ParameterError, match=r"pixel.size"):
        values.pixel_size_of(wrong)


@pytest.mark.parametrize("wrong", [{}, 3, "delete", [3], [{"kind": "delete", "labels": [1.5], "points": []}]])
def test_wrong_corrections(wrong: Any) -> None:
    with pytest.raises(ParameterError, match=r"orrection"):
        values.corrections_of(wrong)


def test_too_many_corrections(monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"kind": "delete", "labels": [1], "points": []}
    monkeypatch.setenv("NUCLEOSCOPE_MAX_CORRECTIONS", "2")
    assert values.corrections_of([one, one]) == [Correction("delete", (1,))] * 2
    with pytest.raises(ParameterError, match="3 corrections and the limit is 2 in one request: send several"):
        values.corrections_of([one] * 3)


def test_right_values(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert values.file_of(str(tmp_path / "a"), "picture") == tmp_path / "a"
    assert [values.number_of(each, "x") for each in (None, "", 0, 2, 0.5)] == [None, None, 0.0, 2.0, 0.5]
    assert [values.whole_of(each, "x") for each in (None, 3, 3.0)] == [None, 3, 3]
    assert [values.flag_of(each, "x") for each in (None, True, False)] == [None, True, False]
    assert [values.channel_of(each) for each in (None, "", "2", 2, 2.0, "DAPI", "٣")] == [
        None,
        None,
        2,
        2,
        2,
        "DAPI",
        "٣",
    ]
    assert values.names_of(["a", "b", "a"], "formats") == ["a", "b"]
    assert values.pixel_size_of(0.5) == PixelSize(0.5, 0.5)
    assert values.pixel_size_of(0) is None
    assert values.corrections_of(None) == []
