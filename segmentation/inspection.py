"""What each level of a network makes of a picture: its feature maps, recorded on the way through."""

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from segmentation.bundle import Bundle, check_magnification
from segmentation.image_io import MicroscopyImage
from segmentation.layers import LayerRow, Side, Stage, layer_table, stages
from segmentation.steps import convolve3x3, max_pool2x2, transposed_convolution2x2
from segmentation.tiling import Tile

if TYPE_CHECKING:  # loaded only where the network runs: the page is there a second earlier
    from torch import Tensor, nn
    from torch.utils.hooks import RemovableHandle

__all__ = [
    "LayerRow",
    "Level",
    "Part",
    "busiest_window",
    "choose_part",
    "convolve3x3",
    "inspect_levels",
    "inspect_part",
    "layer_table",
    "max_pool2x2",
    "transposed_convolution2x2",
]

MAX_SIDE = 512  # pixels of what the network gets to see: all levels of it within about a second, without a GPU


@dataclass(frozen=True, eq=False)
class Level:
    """One level of the U.

    Attributes:
        name: "Down 1" (finest) and on, "Bottom", and on to "Up 1" and "Answer".
        side: where in the U; "output" is the network's answer.
        maps: ``(C, h, w)`` float32, the level's last activations; the answer's are probabilities in [0, 1].
        parameters: learned numbers of the layers that lead from the level before to this one.
        scale: side of the square of the network's input, in pixels, that one pixel of the maps stands for.
    """

    name: str
    side: Side
    maps: NDArray[np.float32]
    parameters: int
    scale: int


@dataclass(frozen=True, eq=False)
class Part:
    """The part of a picture that is looked into.

    Attributes:
        rows: where it was cut from the picture, in pixels.
        columns: likewise.
        pixels: ``(h, w, C)`` float32 in [0, 1], prepared for the network but not magnified.
        magnification: of them before the network.
    """

    rows: slice
    columns: slice
    pixels: NDArray[np.float32]
    magnification: float


def busiest_window(grey: NDArray[np.float32], height: int, width: int) -> Tile:
    """Rows and columns of the window of at most that size where a picture ``(H, W)`` in [0, 1] changes most."""
    height, width = min(height, grey.shape[0]), min(width, grey.shape[1])
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.5)  # else the noisiest part would win
    change = np.zeros(grey.shape)
    change[1:] += np.abs(np.diff(smooth, axis=0))
    change[:, 1:] += np.abs(np.diff(smooth, axis=1))
    sums = cv2.integral(change)
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return slice(int(top), int(top) + height), slice(int(left), int(left) + width)


def choose_part(bundle: Bundle, image: MicroscopyImage, magnification: float | None = None) -> Part:
    """Cut out what the network will see: all of a small picture, else the part where most happens.

    Magnified, by the bundle's own factor unless another is given, it is at most ``MAX_SIDE`` pixels a side. Its
    intensities are stretched by the whole picture's range, as they are when the picture is segmented.

    Raises:
        ImageShapeError: if the picture's channels are not what the network takes.
        ParameterError: for a magnification out of range.
    """
    preprocessing = bundle.preprocessing
    factor = check_magnification(bundle.magnification if magnification is None else magnification)
    intensity = preprocessing.measure(image.pixels)
    side = max(int(MAX_SIDE / factor), 1)
    step = max(1, max(image.shape) // 1024)  # whole slides are searched on every so many pixels
    sample = preprocessing.apply(image.pixels[::step, ::step], intensity).mean(axis=2)
    coarse = busiest_window(sample, -(-side // step), -(-side // step))
    rows, columns = (
        _within(extent.start * step, side, length) for extent, length in zip(coarse, image.shape, strict=True)
    )
    return Part(rows, columns, preprocessing.apply(image.pixels[rows, columns], intensity), factor)


def _within(start: int, side: int, length: int) -> slice:
    side = min(side, length)
    start = min(start, length - side)
    return slice(start, start + side)


def inspect_levels(bundle: Bundle, image: MicroscopyImage, device: str) -> list[Level]:
    """What each level makes of the part of the picture that :func:`choose_part` cuts out; see :func:`inspect_part`."""
    return inspect_part(bundle, choose_part(bundle, image), device)


def inspect_part(bundle: Bundle, part: Part, device: str) -> list[Level]:
    """What each level makes of a part, finest first down to the bottom, up again, and the answer last.

    A part whose size the levels cannot halve is padded by the network; the levels' maps show the padding, the answer
    does not.

    Raises:
        ParameterError: if the network is neither a UNet nor a ResidualUNet.
    """
    import torch

    from segmentation.networks import channels_last

    levels = stages(bundle.network)
    # A copy: hooks on the network that serves would also catch the pictures of whoever else is using it.
    network = channels_last(copy.deepcopy(bundle.network).eval().to(device))
    seen: dict[str, Tensor] = {}

    def keep(stage: Stage) -> "RemovableHandle":
        def hook(_module: "nn.Module", _inputs: "tuple[Tensor, ...]", output: "Tensor") -> None:
            seen[stage.name] = output[0].float().cpu().clone()  # a later layer may work in place

        return network.get_submodule(stage.watched).register_forward_hook(hook)

    hooks = [keep(stage) for stage in levels]
    try:
        with torch.inference_mode(), torch.autocast(torch.device(device).type, enabled=False):
            network(_batch(part.pixels, part.magnification).to(device))
    finally:
        for handle in hooks:
            handle.remove()
    rows = layer_table(network)
    bottom = next(seen[stage.name].shape[-1] for stage in levels if stage.side == "bottleneck")
    return [
        Level(
            name=stage.name,
            side=stage.side,
            maps=np.ascontiguousarray(seen[stage.name].numpy()),
            parameters=sum(row.parameters for row in rows if row.level == stage.name),
            scale=1 if stage.side == "output" else network.stride * bottom // seen[stage.name].shape[-1],
        )
        for stage in levels
    ]


def _batch(pixels: NDArray[np.float32], magnification: float) -> "Tensor":
    """``(h, w, C)`` -> ``(1, C, H, W)``, magnified as the segmenter does it."""
    import torch

    height, width = pixels.shape[:2]
    size = max(round(width * magnification), 1), max(round(height * magnification), 1)
    if size != (width, height):
        smooth = cv2.INTER_AREA if magnification < 1 else cv2.INTER_LINEAR
        pixels = cv2.resize(np.ascontiguousarray(pixels), size, interpolation=smooth).reshape(size[1], size[0], -1)
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].to(memory_format=torch.channels_last)
