"""Torch datasets over any source: augmented crops to learn from, whole pictures to be judged on."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from data_modules.augmentation import Augmenter
from data_modules.pictures import LabelledPicture, PictureSource
from segmentation.instance_maps import encode
from segmentation.preprocessing import Preprocessing


class CropDataset(Dataset[tuple[Tensor, Tensor]]):
    """Augmented training crops: (pixels ``(C, crop, crop)`` in [0, 1], targets ``(maps, crop, crop)``), float32.

    The index is a pair (draw, position): one draw of one picture is the same crop in every process and every run,
    whatever the number of workers, so that a resumed training goes on exactly as an unbroken one.
    """

    def __init__(
        self, source: PictureSource, indices: list[int], preprocessing: Preprocessing, augmenter: Augmenter, seed: int
    ) -> None:
        self._source, self._indices = source, indices
        self._preprocessing, self._augmenter, self._seed = preprocessing, augmenter, seed

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        draw, position = key
        picture = self._source.load(self._indices[position])
        seed = int(np.random.SeedSequence((self._seed, draw, position)).generate_state(1)[0])
        pixels, labels = self._augmenter(to_bytes(picture.pixels, self._preprocessing), picture.labels, seed)
        image = torch.from_numpy(pixels.astype(np.float32).transpose(2, 0, 1).copy() / 255)
        return image, torch.from_numpy(encode(labels))


class PictureDataset(Dataset[LabelledPicture]):
    """Whole pictures as the source has them."""

    def __init__(self, source: PictureSource, indices: list[int]) -> None:
        self._source, self._indices = source, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, position: int) -> LabelledPicture:
        return self._source.load(self._indices[position])


class EpochSampler(Sampler[tuple[int, int]]):
    """Each picture once an epoch in a fresh order, as (epoch, position), shared out over the processes."""

    def __init__(self, length: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        self._length, self._seed, self._rank, self._world = length, seed, rank, world_size
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch, also of a resumed one."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.random.default_rng((self._seed, self._epoch)).permutation(self._length)
        padded = np.resize(order, len(self) * self._world)  # equal shares, or processes would wait for each other
        yield from ((self._epoch, int(position)) for position in padded[self._rank :: self._world])

    def __len__(self) -> int:
        return -(-self._length // self._world)


def to_bytes(pixels: NDArray, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Prepared pixels in 8 bits, which imgaug's colour augmenters need: ``(H, W, 3)``."""
    return np.rint(preprocessing(pixels) * 255).astype(np.uint8)
