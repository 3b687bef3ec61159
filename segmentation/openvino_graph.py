"""A trained network as an OpenVINO graph, laid layer by layer: ready in milliseconds, where tracing takes seconds."""

from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops
from torch import Tensor, nn

from segmentation.residual_unet import FineBranch, ResidualBlock, ResidualUNet
from segmentation.unet import UNet

_SAME, _NONE, _HALF = [1, 1], [0, 0], [2, 2]


def graph_of(network: UNet | ResidualUNet) -> ov.Model:
    """The network in evaluation mode, as a graph.

    Its input is a batch of prepared pixels ``(N, H, W, C)`` float32, H and W multiples of the network's stride; its
    output are probabilities ``(N, maps, H, W)`` float32. Batch normalisation is folded into the convolutions before it.
    """
    pixels = ops.parameter([-1, -1, -1, network.arguments["in_channels"]], np.float32, name="image")
    images = ops.transpose(pixels, np.array([0, 3, 1, 2]))
    logits = _unet(network, images) if isinstance(network, UNet) else _residual_unet(network, images)
    return ov.Model([ops.sigmoid(logits)], [pixels], "nucleoscope")


def _unet(network: UNet, x: Any) -> Any:
    skips = []
    for level, block in enumerate(network.down):
        x = _sequence(block, x if level == 0 else _pool(x))
        skips.append(x)
    skips.pop()
    for upsample, merge in zip(reversed(network.up), reversed(network.merge), strict=True):
        x = _sequence(merge, ops.concat([_sequence(upsample, x), skips.pop()], axis=1))
    return _sequence(network.head, x)


def _residual_unet(network: ResidualUNet, images: Any) -> Any:
    x = _sequence(network.stem, images)
    skips = []
    for level in network.down:
        x = _sequence(level, x)
        skips.append(x)
    skips.pop()
    for lift, block in zip(reversed(network.lift), reversed(network.up), strict=True):
        doubled = ops.interpolate(
            _sequence(lift, x),
            np.array([2.0, 2.0], np.float32),
            "nearest",
            "scales",
            axes=np.array([2, 3]),
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        x = _sequence(block, ops.relu(ops.add(skips.pop(), doubled)))
    logits = _sequence(network.head, x)
    return logits if network.fine is None else ops.add(logits, _fine(network.fine, images, x))


def _fine(branch: FineBranch, images: Any, found: Any) -> Any:
    seen = ops.add(_sequence(branch.see, images), _sequence(branch.spread, found))
    return _sequence(branch.correct, _sequence(branch.refine, ops.relu(seen)))


def _sequence(module: nn.Module, x: Any) -> Any:
    """One layer, or several after each other."""
    match module:
        case ResidualBlock():
            return ops.relu(ops.add(x, _sequence(module.second, _sequence(module.first, x))))
        case nn.Sequential():
            layers = list(module)
            for index, layer in enumerate(layers):
                after = layers[index + 1] if index + 1 < len(layers) else None
                if isinstance(layer, nn.Conv2d):
                    x = _convolution(layer, after if isinstance(after, nn.BatchNorm2d) else None, x)
                elif not (isinstance(layer, nn.BatchNorm2d) and isinstance(layers[index - 1], nn.Conv2d)):
                    x = _sequence(layer, x)
            return x
        case nn.Conv2d():
            return _convolution(module, None, x)
        case nn.ConvTranspose2d():
            assert module.bias is not None
            weight = _constant(_numbers(module.weight))
            grown = ops.convolution_backprop_data(x, weight, _HALF, pads_begin=_NONE, pads_end=_NONE)
            return ops.add(grown, _per_channel(_numbers(module.bias)))
        case nn.BatchNorm2d():
            factor, shift = _folded(module)
            return ops.add(ops.multiply(x, _per_channel(factor)), _per_channel(shift))
        case nn.ReLU():
            return ops.relu(x)
        case nn.ELU():
            return ops.elu(x, module.alpha)
        case nn.MaxPool2d():
            return _pool(x)
        case nn.PixelUnshuffle():
            return ops.space_to_depth(x, "depth_first", module.downscale_factor)
        case nn.PixelShuffle():
            return ops.depth_to_space(x, "depth_first", module.upscale_factor)
        case nn.Dropout():
            return x
        case _:
            raise TypeError(f"{type(module).__name__}: a layer that this graph has no word for")


def _convolution(layer: nn.Conv2d, norm: nn.BatchNorm2d | None, x: Any) -> Any:
    weight, bias = _numbers(layer.weight), None if layer.bias is None else _numbers(layer.bias)
    if norm is not None:
        factor, shift = _folded(norm)
        weight = weight * factor[:, None, None, None]
        bias = shift if bias is None else bias * factor + shift
    pad = [int(each) for each in layer.padding]
    found = ops.convolution(x, _constant(weight), _SAME, pad, pad, _SAME)
    return found if bias is None else ops.add(found, _per_channel(bias))


def _folded(norm: nn.BatchNorm2d) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What normalising by the running statistics multiplies by, and adds."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    deviation = np.sqrt(_numbers(norm.running_var) + norm.eps)
    factor = _numbers(norm.weight) / deviation
    return factor, _numbers(norm.bias) - _numbers(norm.running_mean) * factor


def _pool(x: Any) -> Any:
    return ops.max_pool(x, _HALF, _SAME, _NONE, _NONE, _HALF).output(0)


def _per_channel(values: NDArray[Any]) -> Any:
    return _constant(values.reshape(1, -1, 1, 1))


def _constant(values: NDArray[Any]) -> Any:
    return ops.constant(values.astype(np.float32))


def _numbers(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.detach().cpu().double().numpy()
