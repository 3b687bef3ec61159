"""Torch datasets over any source: augmented crops to learn from, whole pictures to be judged on."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler, get_worker_info

from data_modules.augmentation import Augmenter
from data_modules.pictures import Kind, LabelledPicture, PictureSource
from segmentation.automatic_magnification import typical_diameter
from segmentation.instance_maps import FOREGROUND, MapName, encode, touching
from segmentation.preprocessing import Preprocessing

KEPT_BYTES = 2**30  # of prepared pictures in memory, all workers together


class CropDataset(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Augmented training crops: pixels, targets and the weight of every pixel, all float32.

    Pixels ``(C, crop, crop)`` and targets ``(maps, crop, crop)`` are in [0, 1], weights ``(1, crop, crop)`` from 1 up.

    The index is (epoch, position, repeat): one draw of one picture is the same crop in every process and every run,
    whatever the number of workers, so that a resumed training goes on exactly as an unbroken one.

    Args:
        source: the pictures.
        indices: which of them.
        preprocessing: the formula that travels with the weights.
        augmenter: draws the crop.
        seed: of all draws.
        maps: what the network is to predict.
        touching_weight: how much more a pixel counts where two nuclei touch.
    """

    def __init__(
        self,
        source: PictureSource,
        indices: list[int],
        preprocessing: Preprocessing,
        augmenter: Augmenter,
        seed: int,
        maps: Sequence[MapName] = FOREGROUND,
        touching_weight: float = 0.0,
    ) -> None:
        self._source, self._indices = source, indices
        self._preprocessing, self._augmenter, self._seed = preprocessing, augmenter, seed
        self._maps, self._touching_weight = maps, touching_weight
        self._kept: dict[int, tuple[NDArray[np.uint8], NDArray[np.int32], float]] = {}
        self._kept_bytes = 0

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, key: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
        epoch, position, repeat = key
        seed = int(np.random.SeedSequence((self._seed, epoch, position, repeat)).generate_state(1)[0])
        whole, whole_labels, diameter = self._prepared(position)
        pixels, labels = self._augmenter(whole, whole_labels, seed, diameter)
        image = torch.from_numpy(pixels.astype(np.float32).transpose(2, 0, 1).copy() / 255)
        weights = np.ones(labels.shape, np.float32)
        if self._touching_weight:
            weights += self._touching_weight * touching(labels)
        return image, torch.from_numpy(encode(labels, self._maps)), torch.from_numpy(weights[None])

    def _prepared(self, position: int) -> tuple[NDArray[np.uint8], NDArray[np.int32], float]:
        """Prepared pixels, labels and their typical diameter of one picture; kept in memory while there is room."""
        if position in self._kept:
            return self._kept[position]
        picture = self._source.load(self._indices[position])
        prepared = to_bytes(picture.pixels, self._preprocessing), picture.labels, typical_diameter([picture.labels])
        size, worker = prepared[0].nbytes + prepared[1].nbytes, get_worker_info()
        if self._kept_bytes + size <= KEPT_BYTES // (worker.num_workers if worker else 1):
            self._kept[position] = prepared
            self._kept_bytes += size
        return prepared


class PictureDataset(Dataset[LabelledPicture]):
    """Whole pictures as the source has them."""

    def __init__(self, source: PictureSource, indices: list[int]) -> None:
        self._source, self._indices = source, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, position: int) -> LabelledPicture:
        return self._source.load(self._indices[position])


class EpochSampler(Sampler[tuple[int, int, int]]):
    """Pictures of an epoch in a fresh order, as (epoch, position, repeat), shared out over the processes.

    Args:
        shares: how often each picture comes, relative to the others.
        draws: crops an epoch, of all processes together.
        seed: of the order.
        rank: this process.
        world_size: number of processes.

    Every picture comes as often as its share says, rounded up or down at random; equal shares and as many draws as
    pictures make each come once.
    """

    def __init__(self, shares: NDArray[np.float64], draws: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        self._cumulative = np.cumsum(shares / shares.sum())
        self._draws, self._seed, self._rank, self._world = draws, seed, rank, world_size
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch, also of a resumed one."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        generator = np.random.default_rng((self._seed, self._epoch))
        # Evenly spaced pointers into the shares (systematic resampling): the least chance that fair shares allow. The
        # small step aside keeps equal shares clear of rounding.
        pointers = (np.arange(self._draws) + generator.uniform(0.01, 0.99)) / self._draws
        positions = np.minimum(np.searchsorted(self._cumulative, pointers), len(self._cumulative) - 1)
        first = np.searchsorted(positions, positions)  # they are sorted, so the first of equals tells the repeat
        draws = np.stack([positions, np.arange(self._draws) - first], axis=1)[generator.permutation(self._draws)]
        padded = np.resize(draws, (len(self) * self._world, 2))  # equal shares, or processes would wait for each other
        yield from ((self._epoch, int(p), int(repeat)) for p, repeat in padded[self._rank :: self._world])

    def __len__(self) -> int:
        return -(-self._draws // self._world)


def balanced_shares(kinds: Sequence[Kind], balance: float) -> NDArray[np.float64]:
    """How often each picture should come so that rare kinds are not drowned.

    Args:
        kinds: of every picture.
        balance: 0 draws every picture as often, 1 every kind; between, a kind's share is its number of pictures to the
            power of 1 - balance.
    """
    count = Counter(kinds)
    return np.array([count[kind] ** -balance for kind in kinds])


def to_bytes(pixels: NDArray, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Prepared pixels in 8 bits, which imgaug's colour augmenters need: ``(H, W, 3)``."""
    return np.rint(preprocessing(pixels) * 255).astype(np.uint8)
