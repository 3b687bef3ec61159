"""Which weights a network has, and of what shape, from its arguments alone: what a bundle is checked against."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

Shapes = dict[str, tuple[int, ...]]
_SIZES = {"in_channels": 1, "out_channels": 1, "block": 1, "fine": 0}  # the least that each may be
_TAKES = {
    "unet": {"in_channels", "out_channels", "channels", "dropout"},
    "residual_unet": {"in_channels", "out_channels", "channels", "block"},
}
NAMES = tuple(_TAKES)
_MAY = {"unet": set[str](), "residual_unet": {"fine"}}  # the first bundles did not state them


def weight_shapes(name: str, arguments: Mapping[str, Any]) -> Shapes:
    """Names and shapes of the entries of PyTorch's ``state_dict``, in its order.

    Args:
        name: "unet" or "residual_unet".
        arguments: of the network's class, all of them.

    Raises:
        ValueError: if the class would not take them.
    """
    _check(name, arguments)
    return _unet(arguments) if name == "unet" else _residual_unet(arguments)


def _check(name: str, arguments: Mapping[str, Any]) -> None:
    if name not in _TAKES:
        raise ValueError(f"network {name!r}: choose one of {', '.join(_TAKES)}")
    given = set(arguments)
    if odd := sorted((_TAKES[name] - given) | (given - _TAKES[name] - _MAY[name])):
        raise ValueError(f"argument {odd[0]!r} of {name} is {'missing' if odd[0] in _TAKES[name] else 'not known'}")
    for key, least in _SIZES.items():
        if key in arguments and not _is_count(arguments[key], least):
            raise ValueError(f"{key}={arguments[key]!r}: a whole number, {least} or more")
    channels = arguments["channels"]
    if not isinstance(channels, list | tuple) or len(channels) < 2 or not all(_is_count(each, 1) for each in channels):
        raise ValueError(f"channels={channels!r}: at least two whole numbers, 1 or more"[:200])
    dropout = arguments.get("dropout", [0.0] * len(channels))
    rates = isinstance(dropout, list | tuple) and all(
        isinstance(rate, int | float) and not isinstance(rate, bool) and 0 <= rate <= 1 for rate in dropout
    )
    if not rates or len(dropout) != len(channels):
        raise ValueError(f"dropout={dropout!r}: as many rates from 0 to 1 as there are channels"[:200])


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _unet(arguments: Mapping[str, Any]) -> Shapes:
    channels, shapes = arguments["channels"], Shapes()
    for level, (inputs, width) in enumerate(pairwise([arguments["in_channels"], *channels])):
        shapes |= _conv_block(f"down.{level}", inputs, width)
    for level, (here, below) in enumerate(pairwise(channels)):
        shapes |= {f"up.{level}.weight": (below, here, 2, 2), f"up.{level}.bias": (here,)}
    for level, here in enumerate(channels[:-1]):
        shapes |= _conv_block(f"merge.{level}", 2 * here, here)
    return shapes | _convolution("head", channels[0], arguments["out_channels"], 1)


def _residual_unet(arguments: Mapping[str, Any]) -> Shapes:
    channels, block, fine = arguments["channels"], arguments["block"], arguments.get("fine", 0)
    inputs, outputs, finest = arguments["in_channels"], arguments["out_channels"], channels[0]
    shapes = _conv_norm("stem.1", inputs * block**2, finest) | _residual_block("down.0", finest)
    for level, (above, here) in enumerate(pairwise(channels), start=1):
        shapes |= _conv_norm(f"down.{level}.1", above, here) | _residual_block(f"down.{level}.2", here)
    for level, (here, below) in enumerate(pairwise(channels)):
        shapes |= _conv_norm(f"lift.{level}", below, here, 1)
    for level, here in enumerate(channels[:-1]):
        shapes |= _residual_block(f"up.{level}", here)
    shapes |= _conv_norm("head.0", finest, finest) | _convolution("head.1", finest, outputs * block**2, 1)
    if fine:
        shapes |= {"fine.see.weight": (fine, inputs, 3, 3), "fine.spread.0.weight": (fine * block**2, finest, 1, 1)}
        shapes |= _norm("fine.spread.2", fine) | _residual_block("fine.refine", fine)
        shapes |= _convolution("fine.correct", fine, outputs, 1)
    return shapes


def _conv_block(name: str, inputs: int, outputs: int) -> Shapes:
    return _convolution(f"{name}.0", inputs, outputs) | _convolution(f"{name}.3", outputs, outputs)


def _residual_block(name: str, channels: int) -> Shapes:
    return _conv_norm(f"{name}.first", channels, channels) | _conv_norm(f"{name}.second", channels, channels)


def _conv_norm(name: str, inputs: int, outputs: int, kernel: int = 3) -> Shapes:
    return {f"{name}.0.weight": (outputs, inputs, kernel, kernel)} | _norm(f"{name}.1", outputs)


def _convolution(name: str, inputs: int, outputs: int, kernel: int = 3) -> Shapes:
    return {f"{name}.weight": (outputs, inputs, kernel, kernel), f"{name}.bias": (outputs,)}


def _norm(name: str, channels: int) -> Shapes:
    each = {f"{name}.{what}": (channels,) for what in ("weight", "bias", "running_mean", "running_var")}
    return {**each, f"{name}.num_batches_tracked": ()}
