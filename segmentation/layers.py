"""The levels of a U-Net and their layers: which belongs where, and how many numbers each has learned."""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from segmentation.errors import ParameterError
from segmentation.residual_unet import ResidualUNet
from segmentation.unet import UNet

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


def stages(network: nn.Module) -> list[Stage]:
    """The levels of a network, in the order in which a picture goes through them.

    Raises:
        ParameterError: if the network is neither a UNet nor a ResidualUNet.
    """
    stem: tuple[str, ...] = ()
    if isinstance(network, UNet):
        raised = ("up", "merge")
    elif isinstance(network, ResidualUNet):
        stem, raised = ("stem",), ("lift", "up")
    else:
        raise ParameterError(
            f"network of type {type(network).__name__}: only UNet and ResidualUNet can be looked into; "
            "load a bundle that holds one of these."
        )
    bottom = len(network.down) - 1
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
        Stage("Answer", "output", "", ("head",) if getattr(network, "fine", None) is None else ("head", "fine")),
    ]


def layer_table(network: nn.Module) -> list[LayerRow]:
    """Every layer with parameters, in the order in which a picture goes through them; they add up to all there are.

    Raises:
        ParameterError: if the network is neither a UNet nor a ResidualUNet.
    """
    rows = []
    for level in stages(network):
        for owned in level.owned:
            for path, layer in network.get_submodule(owned).named_modules(prefix=owned):
                if any(True for _ in layer.parameters(recurse=False)):
                    rows.append(_row(level.name, path, layer))
    return rows


def _row(level: str, path: str, layer: nn.Module) -> LayerRow:
    parameters = sum(parameter.numel() for parameter in layer.parameters(recurse=False))
    if isinstance(layer, nn.BatchNorm2d):
        channels = layer.num_features
        return LayerRow(level, path, "batch normalisation", "", channels, channels, parameters, f"{channels} x 2")
    if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        raise ParameterError(f"layer {path} of type {type(layer).__name__}: no row of the table is known for it.")
    kind = "transposed convolution" if isinstance(layer, nn.ConvTranspose2d) else "convolution"
    kernel = " x ".join(str(extent) for extent in layer.kernel_size)
    inputs, outputs = layer.in_channels, layer.out_channels
    formula = f"{inputs} x {kernel} x {outputs}" + (f" + {outputs}" if layer.bias is not None else "")
    return LayerRow(level, path, kind, kernel, inputs, outputs, parameters, formula)
