"""Segmentation: the nuclei of one picture, and what they were found with."""

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segmentation.engine import EngineName
from segmentation.instance_maps import DecodeParams, MapName, decode
from segmentation.microscopy_image import MicroscopyImage


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The nuclei of one picture.

    Attributes:
        image: the picture as read.
        maps: ``(maps, H, W)`` float32 in [0, 1], the network's answer.
        names: what each of them is; see :func:`segmentation.instance_maps.encode`.
        labels: ``(H, W)`` uint16 or uint32, 0 the background, 1..count the nuclei.
        params: what turned ``maps`` into ``labels``.
        seconds: wall time of the network and of the decoding.
        engine: what ran the network.
        magnification: of the picture before the network.
    """

    image: MicroscopyImage
    maps: NDArray[np.float32]
    names: tuple[MapName, ...]
    labels: NDArray[np.uint16] | NDArray[np.uint32]
    params: DecodeParams
    seconds: float
    engine: EngineName = "pytorch"
    magnification: float = 1.0

    @property
    def foreground(self) -> NDArray[np.float32]:
        """Probability of foreground, ``(H, W)`` in [0, 1]."""
        return self.maps[self.names.index("foreground")]

    @property
    def count(self) -> int:
        """Number of nuclei."""
        return int(self.labels.max())

    def decode(self, params: DecodeParams) -> "Segmentation":
        """The same picture with other parameters; the network does not run again."""
        start = time.perf_counter()
        labels = decode(self.maps, params, self.names)
        return replace(self, labels=labels, params=params, seconds=time.perf_counter() - start)
