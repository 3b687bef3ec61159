"""What can be set when the page is served: one declaration for the command line, the environment and the handbook.

Each field of :class:`Options` is an option (``--queue-size``) and a variable (``NUCLEOSCOPE_QUEUE_SIZE``); what is said
on the command line wins. The limits of reading files, of :mod:`segmentation.limits`, are options and variables alike.
"""

import argparse
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from segmentation.engine import EngineName
from segmentation.errors import ParameterError
from segmentation.limits import LIMITS, Limit, Limits, limits

PREFIX = "NUCLEOSCOPE_"
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def _option(
    default: Any, meaning: str, *, unit: str = "", least: float = 0, shown: str = "", metavar: str = "n"
) -> Any:
    """A field: its default, what it is, and of numbers the unit and the least value."""
    told = {"meaning": meaning, "unit": unit, "least": least, "shown": shown, "metavar": metavar}
    return field(default=default, metadata=told)


@dataclass(frozen=True)
class Options:
    """How the page is served."""

    model: tuple[str, ...] = _option(
        (),
        "models to choose from, the first to start with: folders, or OWNER/NAME[@REVISION] on the Hugging Face Hub",
        shown="the shipped ones",
    )
    hub: bool = _option(True, "visitors may fetch models from the Hub")
    device: str = _option("auto", "auto, cpu, cuda, cuda:1 or mps", metavar="device")
    engine: EngineName = _option("auto", "what runs the network, see python -m segmentation --help")  # noqa: RUF009
    host: str | None = _option(
        None, "address to listen on; 0.0.0.0 lets other computers in", shown="127.0.0.1", metavar="address"
    )
    port: int | None = _option(None, "port to listen on", least=1, shown="the first free one from 7860")
    mcp: bool = _option(False, "offer the page's actions to language models, as MCP tools at /gradio_api/mcp/")
    fetch: bool = _option(True, "callers of these tools may name files by public addresses, which are fetched")
    open: bool = _option(False, "open the page in the browser")
    auth: str | None = _option(
        None, "file of users who may log in, see docs/security.md", shown="everybody may", metavar="file"
    )
    root_path: str | None = _option(
        None, "path that a reverse proxy serves the page at, such as /nuclei", shown="/", metavar="path"
    )
    queue_size: int = _option(64, "requests that may wait; further ones are told that the server is busy", least=1)
    concurrency: int = _option(1, "pictures that are worked on at the same time", least=1)
    visits: int = _option(
        8, "requests that take turns at the network, picture by picture; others wait in the queue", least=1
    )
    threads: int = _option(0, "threads of the network, 0 for one a core")
    time_limit: float = _option(600, "work on one picture, which is then given up", unit="seconds", least=1)
    keep_files: int = _option(3600, "how long uploads and results stay on the disk", unit="seconds", least=10)
    keep_visits: int = _option(
        4 * 3600, "how long a visitor's pictures stay in memory after their last use", unit="seconds", least=10
    )
    keep_memory: int = _option(
        4 * 2**30, "memory for all visitors' pictures; the least recently used go first", unit="bytes", least=1
    )
    least_disk: int = _option(2**30, "free space on the disk below which /readyz says no", unit="bytes")
    grace: float = _option(30, "how long running work may go on after SIGTERM or Ctrl+C", unit="seconds")
    metrics: Literal["local", "open", "off"] = _option(
        "local", "who may see /metrics: this computer alone, everybody who can reach the page, or nobody"
    )
    log_format: Literal["text", "json"] = _option("text", "a line of the log: key=value, or JSON")
    log_level: Literal["debug", "info", "warning", "error"] = _option("info", "what is logged: this, and what is worse")


_TYPES = get_type_hints(Options)


@dataclass(frozen=True)
class Row:
    """An option as the handbook tells it."""

    option: str
    variable: str
    default: str
    meaning: str


def rows() -> list[Row]:
    """Every option, then every limit of reading, in the order of their declaration."""
    own = []
    for each in fields(Options):
        told = each.metadata
        default = Options.__dataclass_fields__[each.name].default
        text = told["shown"] or _written(default)
        choices = f" ({', '.join(_choices(each.name))})" if _choices(each.name) else ""
        unit = f", in {told['unit']}" if told["unit"] else ""
        own.append(Row(_flag(each.name), _variable(each.name), text, told["meaning"] + choices + unit))
    return own + [Row(each.option, each.variable, f"{each.default:,}", _most(each)) for each in LIMITS]


def table() -> str:
    """The rows as a table in Markdown."""
    lines = ["| option | variable | default | meaning |", "| --- | --- | --- | --- |"]
    lines += [f"| `{row.option}` | `{row.variable}` | {row.default} | {row.meaning} |" for row in rows()]
    return "\n".join(lines) + "\n"


def build_parser() -> argparse.ArgumentParser:
    """The command line's arguments; what is not said on it is None."""
    parser = argparse.ArgumentParser(
        prog="python app.py",
        description="Serve the Nucleoscope web page.",
        epilog="Each option is also an environment variable: --queue-size is NUCLEOSCOPE_QUEUE_SIZE.",
    )
    for each, row in zip(fields(Options), rows(), strict=False):
        told = each.metadata
        meaning = told["meaning"] + (f", in {told['unit']}" if told["unit"] else "")
        kind: dict[str, Any] = {"help": f"{meaning} (default: {row.default})".replace("%", "%%"), "default": None}
        if _TYPES[each.name] is bool:
            kind["action"] = argparse.BooleanOptionalAction
        elif each.name == "model":
            kind |= {"nargs": "+", "metavar": "MODEL"}
        elif choices := _choices(each.name):
            kind |= {"choices": choices}
        else:
            kind |= {"metavar": (told["unit"] or told["metavar"]).upper()}
        parser.add_argument(_flag(each.name), **kind)
    group = parser.add_argument_group("limits of reading files")
    for limit in LIMITS:
        group.add_argument(
            limit.option,
            dest=f"limit_{limit.name}",
            metavar="N",
            help=f"{_most(limit)} (default: {limit.default:,})".replace("%", "%%"),
        )
    return parser


def parse(
    arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None
) -> tuple[Options, Limits]:
    """What was set, on the command line or else in the environment.

    Args:
        arguments: words of the command line; by default those of this process.
        environment: variables; by default those of this process.

    Raises:
        ParameterError: for a value that is none, naming the option or the variable.
        SystemExit: for words that are no options, and after ``--help``.
    """
    variables = dict(os.environ if environment is None else environment)
    said = build_parser().parse_args(arguments)
    chosen: dict[str, Any] = {}
    for name in _TYPES:
        value, source = getattr(said, name), _flag(name)
        if value is None and variables.get(_variable(name)):
            value, source = variables[_variable(name)], _variable(name)
        if value is not None:
            chosen[name] = _value(name, value, source)
    for limit in LIMITS:
        if (text := getattr(said, f"limit_{limit.name}")) is not None:
            try:
                limits({limit.variable: text or "0"})
            except ParameterError as error:
                raise ParameterError(str(error).replace(limit.variable, limit.option)) from None
            variables[limit.variable] = text
    return Options(**chosen), limits(variables)


def _value(name: str, value: Any, source: str) -> Any:
    kind, told = _TYPES[name], Options.__dataclass_fields__[name].metadata
    if kind is bool and isinstance(value, str):
        if value.lower() not in _TRUE + _FALSE:
            raise ParameterError(f"{source}={value!r}: it must be 1 or 0.")
        return value.lower() in _TRUE
    if name == "model":
        return tuple(value.split() if isinstance(value, str) else value)
    if (choices := _choices(name)) and value not in choices:
        raise ParameterError(f"{source}={value!r}: choose one of {', '.join(choices)}.")
    number = next((each for each in (int, float) if each in (kind, *get_args(kind))), None)
    if number is None:
        return value
    try:
        found = number(value)
    except ValueError:
        found = None
    if found is None or not told["least"] <= found < 2**60:  # so that nan and inf are refused too
        a = "a whole number" if number is int else "a number"
        unit = f" of {told['unit']}" if told["unit"] else ""
        raise ParameterError(f"{source}={value!r}: it must be {a}{unit} from {told['least']:g} up.")
    return found


def _choices(name: str) -> Iterable[str]:
    return get_args(_TYPES[name]) if get_origin(_TYPES[name]) is Literal else ()


def _most(limit: Limit) -> str:
    return f"at most: {limit.meaning}" + (f", in {limit.unit}" if limit.unit not in limit.meaning else "")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _written(default: Any) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:,}" if isinstance(default, int) else str(default)
