"""The levels of a U-Net and their layers: which belongs where, and how many numbers each has learned."""

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Literal

from segmentation.stored_network import StoredNetwork
from segmentation.weight_shapes import Shapes, weight_shapes

if TYPE_CHECKING:
    from segmentation.networks import Network

Side = Literal["encoder", "bottleneck", "decoder", "output"]


@dataclass(frozen=True)
class LayerRow:
    """One layer that has learned something.

    Attributes:
        level: name of the level that it belongs to, as in :class:`Stage`.
        layer: its path in the network, such as ``down.0.3``.
        kind: "convolution", "transposed convolution" or "batch normalisation".
        kernel: "3 x 3", or empty where there is none.
        in_channels: channels that come in.
        out_channels: channels that go out.
        parameters: learned numbers.
        formula: the product and sum that makes ``parameters``.
    """

    level: str
    layer: str
    kind: str
    kernel: str
    in_channels: int
    out_channels: int
    parameters: int
    formula: str


@dataclass(frozen=True)
class Stage:
    """One level of the U, as modules of the network.

    Attributes:
        name: "Down 1" (finest) and on, "Bottom", and on to "Up 1" and "Answer".
        side: where in the U; "output" is the network's answer.
        watched: path of the module whose output the level is; empty for the network's own.
        owned: paths of the modules that lead from the level before to this one.
    """

    name: str
    side: Side
    watched: str
    owned: tuple[str, ...]


def stages(network: "Network | StoredNetwork") -> list[Stage]:
    """The levels of a network, in the order in which a picture goes through them."""
    stored = network if isinstance(network, StoredNetwork) else StoredNetwork.of(network)
    raised = ("up", "merge") if stored.name == "unet" else ("lift", "up")
    stem: tuple[str, ...] = () if stored.name == "unet" else ("stem",)
    bottom = len(stored.arguments["channels"]) - 1
    way_down = [
        Stage(f"Down {level + 1}", "encoder", f"down.{level}", (*(stem if level == 0 else ()), f"down.{level}"))
        for level in range(bottom)
    ]
    way_up = [
        Stage(f"Up {level + 1}", "decoder", f"{raised[1]}.{level}", tuple(f"{name}.{level}" for name in raised))
        for level in reversed(range(bottom))
    ]
    return [
        *way_down,
        Stage("Bottom", "bottleneck", f"down.{bottom}", (f"down.{bottom}",)),
        *way_up,
        Stage("Answer", "output", "", ("head", "fine") if stored.arguments.get("fine") else ("head",)),
    ]


def layer_table(network: "Network | StoredNetwork") -> list[LayerRow]:
    """Every layer with parameters, in the order in which a picture goes through them; they add up to all there are."""
    stored = network if isinstance(network, StoredNetwork) else StoredNetwork.of(network)
    shapes = weight_shapes(stored.name, stored.arguments)
    layers = [name.removesuffix(".weight") for name in shapes if name.endswith(".weight")]
    return [
        _row(level.name, layer, shapes)
        for level in stages(stored)
        for owned in level.owned
        for layer in layers
        if f"{layer}.".startswith(f"{owned}.")
    ]


def _row(level: str, layer: str, shapes: Shapes) -> LayerRow:
    weight, bias = shapes[f"{layer}.weight"], shapes.get(f"{layer}.bias", ())
    parameters = prod(weight) + sum(bias)
    if len(weight) == 1:
        channels = weight[0]
        return LayerRow(level, layer, "batch normalisation", "", channels, channels, parameters, f"{channels} x 2")
    # PyTorch's transposed convolutions, the only ones with a kernel of 2, name their inputs first.
    kind, (outputs, inputs) = "convolution", weight[:2]
    if weight[2] == 2:
        kind, (inputs, outputs) = "transposed convolution", weight[:2]
    kernel = " x ".join(map(str, weight[2:]))
    formula = f"{inputs} x {kernel} x {outputs}" + (f" + {outputs}" if bias else "")
    return LayerRow(level, layer, kind, kernel, inputs, outputs, parameters, formula)
