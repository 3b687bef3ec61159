"""SegmentationDataModule: the one LightningDataModule over any source."""

import os
import tempfile
from pathlib import Path
from typing import Any, TypeVar

import cv2
import torch
from pytorch_lightning import LightningDataModule
from pytorch_lightning.accelerators import CPUAccelerator
from torch.utils.data import DataLoader, Subset

from data_modules.augmentation import AugmentationParams, Augmenter
from data_modules.datasets import CropDataset, EpochSampler, PictureDataset, balanced_shares
from data_modules.dsb2018 import Dsb2018
from data_modules.pictures import LabelledPicture, PictureSource
from data_modules.splits import Split, read_fold_table, split_pictures
from segmentation.batch_inputs import FoundFile, Task, find_files, plan
from segmentation.errors import DataError, ImageReadError, ParameterError
from segmentation.instance_maps import FOREGROUND
from segmentation.preprocessing import Preprocessing

T = TypeVar("T")


class SegmentationDataModule(LightningDataModule):
    """Splits a source, and serves crops for training and whole pictures for everything else.

    Args:
        source: where labelled pictures come from; the 2018 Data Science Bowl by default.
        crop: side of the training crops in pixels.
        batch_size: crops a step and process.
        augmentation: how training crops vary; null turns it off.
        crops_per_epoch: crops drawn before each validation; as many as there are training pictures if none is given.
        balance: 0 draws every picture as often, 1 every kind of picture (see ``datasets.balanced_shares``).
        touching_weight: how much more a pixel counts where two nuclei touch.
        folds: number of folds when no table is given.
        fold: the fold held out for ``test``.
        fold_table: CSV file (ImageId, fold) with folds that others published.
        validation_fraction: share of the other folds that chooses the checkpoint.
        workers: processes that prepare crops; by default one less than the processor has cores, 8 at most.
        seed: of what is drawn and of all augmentation.
        split_seed: of the split. Keep it when a model is trained further: with another, pictures that the model has
            learned would judge it.
        predict_path: file, zip, folder or pattern that ``predict`` segments.
    """

    def __init__(
        self,
        source: PictureSource | None = None,
        crop: int = 256,
        batch_size: int = 8,
        augmentation: AugmentationParams | None = AugmentationParams(),  # noqa: B008  (frozen)
        crops_per_epoch: int | None = None,
        balance: float = 0.0,
        touching_weight: float = 0.0,
        folds: int = 4,
        fold: int = 0,
        fold_table: str | None = None,
        validation_fraction: float = 0.1,
        workers: int | None = None,
        seed: int = 0,
        split_seed: int = 0,
        predict_path: str | None = None,
    ) -> None:
        super().__init__()
        self.allow_zero_length_dataloader_with_multiple_devices = True  # more processes than pictures to predict
        if crop < 1 or batch_size < 1 or min(seed, split_seed) < 0 or (workers is not None and workers < 0):
            raise ParameterError(
                f"crop={crop}, batch_size={batch_size}, seed={seed}, split_seed={split_seed}, workers={workers}: crop "
                "and batch_size are at least 1, the others at least 0."
            )
        if not 0 <= balance <= 1 or touching_weight < 0 or (crops_per_epoch is not None and crops_per_epoch < 1):
            raise ParameterError(
                f"crops_per_epoch={crops_per_epoch}, balance={balance}, touching_weight={touching_weight}: give at "
                "least 1 crop, a balance from 0 to 1, and a weight of 0 or more."
            )
        self.crops_per_epoch, self.balance, self.touching_weight = crops_per_epoch, balance, touching_weight
        self.source = source if source is not None else Dsb2018()
        self.batch_size, self.seed, self.split_seed, self.predict_path = batch_size, seed, split_seed, predict_path
        self.workers = min((os.cpu_count() or 1) - 1, 8) if workers is None else workers
        self.augmenter = Augmenter(augmentation, crop)
        self.folds, self.fold, self.validation_fraction, self.fold_table = folds, fold, validation_fraction, fold_table
        self.split: Split | None = None
        self.tasks: list[Task] = []  # of all processes
        self._scratch: tempfile.TemporaryDirectory[str] | None = None  # for pictures out of zips
        self._first_epoch = 0  # of this run: a resumed one goes on

    def prepare_data(self) -> None:
        """Once a machine: download and convert."""
        if not self._predicting:
            self.source.prepare()

    def setup(self, stage: str) -> None:
        """In every process: read the index and split it."""
        if self.split is None and stage != "predict":
            self.source.setup()
            self.split = split_pictures(
                self.source.infos,
                folds=self.folds,
                fold=self.fold,
                validation_fraction=self.validation_fraction,
                seed=self.split_seed,
                table=read_fold_table(self.fold_table) if self.fold_table else None,
            )

    def state_dict(self) -> dict[str, int]:
        """Epochs done, for the checkpoint."""
        if self.trainer is None:
            return {"epochs": 0}
        # Not ``current_epoch``: checkpoints are written before it counts the epoch that they end.
        return {"epochs": self.trainer.fit_loop.epoch_progress.current.processed}  # type: ignore[attr-defined]

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Take note of the epoch to go on with, before the first crops are asked for."""
        self._first_epoch = state_dict["epochs"]

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Whole pictures stay on the host: the Segmenter moves their tiles itself."""
        if isinstance(batch, LabelledPicture | Task):
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def describe(self) -> dict[str, str | int | float]:
        """What was trained on, for the bundle's card."""
        split = self._known_split()
        counts = f"{len(split.train)} train, {len(split.validation)} validation, {len(split.test)} held out"
        left = f", {len(split.left_out)} left out (same field as a held-out picture)" if split.left_out else ""
        return {
            "data": self.source.description,
            "pictures": counts + left,
            "folds": "a published table" if self.fold_table else self.folds,
            "held-out fold": self.fold,
            "validation fraction": self.validation_fraction,
            "split seed": self.split_seed,
        }

    def train_dataloader(self) -> DataLoader:
        """Batches of (pixels ``(N, C, crop, crop)``, targets ``(N, maps, crop, crop)``, weights ``(N, 1, ...)``)."""
        train = self._known_split().train
        if self.workers:
            # Workers inherit it, and OpenCV's own threads would fight the training for the same cores. Set here and not
            # in the worker: after a fork OpenCV waits for ever for threads that stayed behind.
            cv2.setNumThreads(1)
        dataset = CropDataset(
            self.source,
            train,
            self._of_module("preprocessing", Preprocessing()),
            self.augmenter,
            self.seed,
            self._of_module("maps", FOREGROUND),
            self.touching_weight,
        )
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        shares = balanced_shares([self.source.infos[index].kind for index in train], self.balance)
        sampler = EpochSampler(shares, self.crops_per_epoch or len(train), self.seed, rank, world)
        # Lightning tells it the epoch only once the workers have begun to fetch.
        sampler.set_epoch(self._first_epoch)
        return DataLoader(
            dataset,
            batch_size=self.batch_size,
            sampler=sampler,
            drop_last=len(sampler) >= self.batch_size,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=torch.cuda.is_available(),
            prefetch_factor=4 if self.workers else None,
            worker_init_fn=None if self._on_gpu else _give_way,
        )

    def val_dataloader(self) -> DataLoader:
        """Whole :class:`LabelledPicture` objects, one at a time."""
        return self._pictures(self._known_split().validation)

    def test_dataloader(self) -> DataLoader:
        """Whole pictures of the held-out fold."""
        return self._pictures(self._known_split().test)

    def predict_dataloader(self) -> DataLoader:
        """This process's share of the files under ``predict_path``: a :class:`segmentation.batch_inputs.Task` each.

        Shares may differ in length by one, or be empty: no file is left out, and none is done twice.
        """
        if self.predict_path is None:
            raise DataError("predict: no pictures named; give a file or folder with --data.predict_path.")
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        found: list[FoundFile] | str = []
        if rank == 0:  # one process looks, or a file that comes or goes meanwhile would shift the others' shares
            try:
                found = find_files([self.predict_path])
            except ImageReadError as error:
                found = str(error)
        if self.trainer is not None:
            found = self.trainer.strategy.broadcast(found)
        if isinstance(found, str):
            raise DataError(found)
        self._scratch = self._scratch or tempfile.TemporaryDirectory(prefix="nucleoscope-")
        self.tasks, _ = plan(found, Path(self._scratch.name))
        return DataLoader(self.tasks[rank::world], batch_size=None)  # type: ignore[arg-type]

    def _known_split(self) -> Split:
        if self.split is None:
            raise DataError("The pictures are not split yet; call prepare_data() and setup('fit') first.")
        return self.split

    @property
    def _on_gpu(self) -> bool:
        return self.trainer is not None and not isinstance(self.trainer.accelerator, CPUAccelerator)

    @property
    def _predicting(self) -> bool:
        return self.trainer is not None and self.trainer.predicting

    def _of_module(self, name: str, otherwise: T) -> T:
        """What will travel with the weights: crops must be made for the very network that learns from them."""
        module = self.trainer.lightning_module if self.trainer else None
        return getattr(module, name, otherwise)

    def _pictures(self, indices: list[int]) -> DataLoader[LabelledPicture]:
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        share = Subset(PictureDataset(self.source, indices), range(rank, len(indices), world))
        return DataLoader(share, batch_size=None)


def _give_way(_: int) -> None:
    """Where training needs every core, a worker takes what is left over.

    The threads of a step wait for one another, so each moment that a worker takes from one is lost to all of them:
    measured, a step of 0.46 s became one of 0.41 s.
    """
    if hasattr(os, "nice"):  # not on Windows
        os.nice(10)
