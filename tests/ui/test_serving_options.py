from dataclasses import fields

import pytest

from segmentation.errors import ParameterError
from segmentation.limits import LIMITS
from tests.conftest import ROOT
from ui.serving_options import Options, parse, rows, table


def test_options_come_from_the_command_line_or_the_environment() -> None:
    options, limits = parse([], {"NUCLEOSCOPE_QUEUE_SIZE": "7", "NUCLEOSCOPE_HUB": "no", "NUCLEOSCOPE_MAX_PIXELS": "9"})
    assert (options.queue_size, options.hub, options.grace, limits.pixels) == (7, False, 30, 9)
    said = ["--queue-size", "8", "--hub", "--max-pixels", "10", "--model", "a", "b"]
    options, limits = parse(
        said, {"NUCLEOSCOPE_QUEUE_SIZE": "7", "NUCLEOSCOPE_HUB": "0", "NUCLEOSCOPE_MAX_PIXELS": "9"}
    )
    assert (options.queue_size, options.hub, limits.pixels, options.model) == (8, True, 10, ("a", "b"))
    assert parse([], {})[0] == Options()


@pytest.mark.parametrize(
    ("said", "environment", "told"),
    [
        (["--queue-size", "0"], {}, "--queue-size='0': it must be a whole number from 1 up."),
        (["--grace", "nan"], {}, "--grace='nan': it must be a number of seconds from 0 up."),
        ([], {"NUCLEOSCOPE_METRICS": "all"}, "NUCLEOSCOPE_METRICS='all': choose one of local, open, off."),
        ([], {"NUCLEOSCOPE_MCP": "maybe"}, "NUCLEOSCOPE_MCP='maybe': it must be 1 or 0."),
        (["--max-pixels", "-1"], {}, "--max-pixels='-1'"),
    ],
)
def test_a_wrong_option_is_named(said: list[str], environment: dict[str, str], told: str) -> None:
    with pytest.raises(ParameterError) as error:
        parse(said, environment)
    assert str(error.value).startswith(told)


def test_the_handbook_has_every_option() -> None:
    assert table() in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert len(rows()) == len(fields(Options)) + len(LIMITS)
    assert len({row.variable for row in rows()}) == len(rows())
