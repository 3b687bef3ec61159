"""The one formula that prepares pixels, for training and for use alike; it is saved with the weights."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.errors import ImageShapeError, ParameterError


@dataclass(frozen=True)
class IntensityRange:
    """Raw values of one picture that become 0 and 1."""

    low: float
    high: float


@dataclass(frozen=True)
class Preprocessing:
    """Grey to RGB, then a linear stretch of the picture's own percentiles to [0, 1], clipped.

    The stretch is one for all channels, so colours keep their hue, and it makes the bit depth irrelevant: an 8-bit
    picture and the same picture with 16 bits give equal results.

    Args:
        channels: channels the network takes; a grey picture is repeated to fill them.
        low_percentile: percentile of all the picture's values that becomes 0, in [0, 100).
        high_percentile: percentile that becomes 1, in (low_percentile, 100].
        block: side in pixels of the parts in which large pictures are measured. The range reaches from the darkest
            part's low percentile to the brightest part's high one: a few nuclei in a wide empty field are less than
            any percentile of the whole, and would be cut off with the noise.
    """

    channels: int = 3
    low_percentile: float = 0.05
    high_percentile: float = 99.95
    block: int = 1024

    def __post_init__(self) -> None:
        if not 0 <= self.low_percentile < self.high_percentile <= 100:
            raise ParameterError(
                f"low_percentile={self.low_percentile} and high_percentile={self.high_percentile}: "
                "they must satisfy 0 <= low < high <= 100."
            )
        if self.block < 64:
            raise ParameterError(f"block={self.block}: at least 64 pixels, or single nuclei would set the range.")

    def measure(self, pixels: NDArray) -> IntensityRange:
        """The range to stretch, from a whole picture ``(H, W, C)`` of finite numbers."""
        self._check(pixels)
        rows, columns = (math.ceil(extent / self.block) for extent in pixels.shape[:2])
        ranges = [
            np.percentile(part, (self.low_percentile, self.high_percentile))
            for strip in np.array_split(pixels, rows, axis=0)
            for part in np.array_split(strip, columns, axis=1)
        ]
        return IntensityRange(float(min(low for low, _ in ranges)), float(max(high for _, high in ranges)))

    def apply(self, pixels: NDArray, intensity: IntensityRange) -> NDArray[np.float32]:
        """Prepare a picture or a tile of it: ``(H, W, C)`` of any dtype -> ``(H, W, channels)`` float32 in [0, 1].

        A picture of one single value becomes all zero.
        """
        self._check(pixels)
        span = intensity.high - intensity.low
        if span <= 0 or not math.isfinite(span):
            return np.zeros((*pixels.shape[:2], self.channels), np.float32)
        # float64 first: float32 would lose the last bits of 32-bit integers before the subtraction.
        source: NDArray[Any] = pixels.astype(np.float64 if pixels.dtype.itemsize > 2 else np.float32)
        source -= intensity.low
        source /= span
        prepared = np.clip(source, 0, 1, out=source).astype(np.float32, copy=False)
        return np.repeat(prepared, self.channels, axis=2) if pixels.shape[2] == 1 else prepared

    def __call__(self, pixels: NDArray) -> NDArray[np.float32]:
        """Measure and apply: ``(H, W, C)`` -> ``(H, W, channels)`` float32 in [0, 1]."""
        return self.apply(pixels, self.measure(pixels))

    def _check(self, pixels: NDArray) -> None:
        if pixels.ndim != 3 or pixels.shape[0] < 1 or pixels.shape[1] < 1:
            raise ImageShapeError(
                f"A picture of shape {pixels.shape}: it must be (height, width, channels) with at least one pixel."
            )
        if pixels.shape[2] not in (1, self.channels):
            raise ImageShapeError(
                f"The picture has {pixels.shape[2]} channels, and this model takes 1 (grey) or {self.channels}: "
                "choose the channel that shows the nuclei (--channel N, or channel=N in Python)."
            )
