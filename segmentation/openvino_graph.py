"""A trained network as an OpenVINO graph, laid layer by layer: ready in milliseconds, where tracing takes seconds.

It follows ``unet.py`` and ``residual_unet.py`` by the names of their weights, and needs no PyTorch.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.quiet_openvino import ops, ov
from segmentation.stored_network import StoredNetwork

_SAME, _NONE, _HALF = [1, 1], [0, 0], [2, 2]
_EPSILON = 1e-5  # of PyTorch's batch normalisation


def graph_of(network: StoredNetwork) -> ov.Model:
    """The network in evaluation mode, as a graph.

    Its input is a batch of prepared pixels ``(N, H, W, C)`` float32, H and W multiples of the network's stride; its
    output are probabilities ``(N, maps, H, W)`` float32. Batch normalisation is folded into the convolutions before it.
    """
    pixels = ops.parameter([-1, -1, -1, network.inputs], np.float32, name="image")
    images = ops.transpose(pixels, np.array([0, 3, 1, 2]))
    layers = _Layers(network)
    logits = layers.unet(images) if network.name == "unet" else layers.residual_unet(images)
    return ov.Model([ops.sigmoid(logits)], [pixels], "nucleoscope")


class _Layers:
    """Lays layers by the names of their weights."""

    def __init__(self, network: StoredNetwork) -> None:
        self._weights, self._arguments = network.weights, network.arguments
        self._levels = len(network.arguments["channels"])

    def unet(self, x: Any) -> Any:
        skips = []
        for level in range(self._levels):
            x = self._conv_block(f"down.{level}", x if level == 0 else _pool(x))
            skips.append(x)
        skips.pop()
        for level in reversed(range(self._levels - 1)):
            x = self._conv_block(f"merge.{level}", ops.concat([self._doubled(f"up.{level}", x), skips.pop()], axis=1))
        return self._convolution("head", x)

    def residual_unet(self, images: Any) -> Any:
        block = self._arguments["block"]
        x = self._conv_norm("stem.1", ops.space_to_depth(images, "depth_first", block))
        skips = [x := self._residual_block("down.0", x)]
        for level in range(1, self._levels):
            x = self._residual_block(f"down.{level}.2", self._conv_norm(f"down.{level}.1", _pool(x)))
            skips.append(x)
        skips.pop()
        for level in reversed(range(self._levels - 1)):
            lifted = _repeated(self._conv_norm(f"lift.{level}", x, active=False))
            x = self._residual_block(f"up.{level}", ops.relu(ops.add(skips.pop(), lifted)))
        logits = ops.depth_to_space(self._convolution("head.1", self._conv_norm("head.0", x)), "depth_first", block)
        return ops.add(logits, self._fine(images, x, block)) if self._arguments.get("fine") else logits

    def _fine(self, images: Any, found: Any, block: int) -> Any:
        # The norm comes after the shuffle, which gives each of its channels block x block of the convolution's.
        factor, shift = (np.repeat(each, block**2) for each in self._folded("fine.spread.2"))
        weight = self._numbers("fine.spread.0.weight") * factor[:, None, None, None]
        spread = ops.depth_to_space(ops.add(_convolved(weight, found), _per_channel(shift)), "depth_first", block)
        seen = ops.relu(ops.add(self._convolution("fine.see", images), spread))
        return self._convolution("fine.correct", self._residual_block("fine.refine", seen))

    def _conv_block(self, name: str, x: Any) -> Any:
        for layer in (0, 3):
            x = ops.elu(self._convolution(f"{name}.{layer}", x), 1.0)
        return x

    def _residual_block(self, name: str, x: Any) -> Any:
        inner = self._conv_norm(f"{name}.second", self._conv_norm(f"{name}.first", x), active=False)
        return ops.relu(ops.add(x, inner))

    def _conv_norm(self, name: str, x: Any, active: bool = True) -> Any:
        factor, shift = self._folded(f"{name}.1")
        found = ops.add(
            _convolved(self._numbers(f"{name}.0.weight") * factor[:, None, None, None], x), _per_channel(shift)
        )
        return ops.relu(found) if active else found

    def _convolution(self, name: str, x: Any) -> Any:
        found = _convolved(self._numbers(f"{name}.weight"), x)
        return ops.add(found, _per_channel(self._numbers(f"{name}.bias"))) if f"{name}.bias" in self._weights else found

    def _doubled(self, name: str, x: Any) -> Any:
        weight = _constant(self._numbers(f"{name}.weight"))
        grown = ops.convolution_backprop_data(x, weight, _HALF, pads_begin=_NONE, pads_end=_NONE)
        return ops.add(grown, _per_channel(self._numbers(f"{name}.bias")))

    def _folded(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What normalising by the running statistics multiplies by, and adds."""
        factor = self._numbers(f"{name}.weight") / np.sqrt(self._numbers(f"{name}.running_var") + _EPSILON)
        return factor, self._numbers(f"{name}.bias") - self._numbers(f"{name}.running_mean") * factor

    def _numbers(self, name: str) -> NDArray[np.float64]:
        return self._weights[name].astype(np.float64)


def _convolved(weight: NDArray[np.float64], x: Any) -> Any:
    pad = [extent // 2 for extent in weight.shape[2:]]
    return ops.convolution(x, _constant(weight), _SAME, pad, pad, _SAME)


def _pool(x: Any) -> Any:
    return ops.max_pool(x, _HALF, _SAME, _NONE, _NONE, _HALF).output(0)


def _repeated(x: Any) -> Any:
    """Twice as high and wide, every pixel four times."""
    twice, axes = np.array([2.0, 2.0], np.float32), np.array([2, 3])
    modes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return ops.interpolate(x, twice, "nearest", "scales", axes=axes, **modes)


def _per_channel(values: NDArray[Any]) -> Any:
    return _constant(values.reshape(1, -1, 1, 1))


def _constant(values: NDArray[Any]) -> Any:
    return ops.constant(values.astype(np.float32))
