"""What happens around training: averaged weights, the bundle at the end, pictures in the log."""

from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning import callbacks as lightning_callbacks
from pytorch_lightning.callbacks import ModelCheckpoint, WeightAveraging
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_info, rank_zero_only
from torch import Tensor

from data_modules.datamodule import SegmentationDataModule
from data_modules.pictures import KINDS, LabelledPicture
from lightning_modules import checkpoint_files
from lightning_modules.decode_search import search_decode
from lightning_modules.magnification_search import search_diameter
from lightning_modules.metrics import Scoreboard
from lightning_modules.segmentation_module import SegmentationModule
from segmentation.bundle import check_destination, check_diameter, check_magnification
from segmentation.errors import ParameterError
from segmentation.image_io import MicroscopyImage
from segmentation.instance_maps import MapName
from segmentation.overlay import draw_overlay, to_display
from segmentation.segmenter import Segmentation, Segmenter

CARD_SCORES = ("kaggle", "ap50", "ap75", "ap90", "iou", "dice")


class LastCheckpoint(ModelCheckpoint):
    """``last.ckpt`` after every epoch, for ``--ckpt_path last``.

    ModelCheckpoint's own ``save_last`` writes only when the monitored score improves, and would lose every epoch since.

    Args:
        dirpath: folder of the checkpoints.
    """

    def __init__(self, dirpath: str | None = None) -> None:
        super().__init__(dirpath=dirpath, filename="last", enable_version_counter=False)


class EarlyStopping(lightning_callbacks.EarlyStopping):
    """Lightning's, except that a run which had stopped does not go on when it is resumed.

    Lightning saves that patience was out, and yet trains an epoch more: a run killed while its decode parameters are
    tuned would end with other weights. And the patience of this run counts, not that of the run before: give more of
    it, and training goes on.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore all but the patience."""
        super().load_state_dict({**state_dict, "patience": self.patience})

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop before the first step if patience is out already."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class AveragedWeights(WeightAveraging):
    """A running mean of the weights (Polyak averaging) judges, stops and ships; the weights themselves only learn.

    Args:
        decay: what is kept of the mean at each step, once it has seen enough of them. The first steps weigh more, or a
            short training would ship little but the random weights it began with.
    """

    def __init__(self, decay: float = 0.998) -> None:
        if not 0 <= decay < 1:
            raise ParameterError(f"decay={decay}: a fraction, 0 (no averaging) or more and below 1.")

        def average(mean: Tensor, now: Tensor, steps: Tensor | int) -> Tensor:
            keep = min(decay, (1 + int(steps)) / (10 + int(steps)))
            return keep * mean + (1 - keep) * now

        super().__init__(avg_fn=average)


class ExportBundle(Callback):
    """When ``fit`` ends, tunes the decode parameters of the best checkpoint on validation and writes its bundle.

    Args:
        folder: where to; ``bundle`` beside the checkpoints by default.
        tune: search the decode parameters.
        maps: those of the module's maps that ship; all of them by default.
        magnifications: which of these suits best is searched too; the module's own stays by default.
        diameters: of nuclei in pixels; which of these suits best, if any, is searched after that, and the decode
            parameters once more; the module's own stays by default.
    """

    def __init__(
        self,
        folder: str | None = None,
        tune: bool = True,
        maps: tuple[MapName, ...] | None = None,
        magnifications: tuple[float, ...] | None = None,
        diameters: tuple[float, ...] | None = None,
    ) -> None:
        for magnification in magnifications or ():
            check_magnification(magnification)
        for diameter in diameters or ():
            check_diameter(diameter)
        self.folder, self.tune, self.maps = folder, tune, maps
        self.magnifications, self.diameters = magnifications, diameters

    def destination(self, trainer: Trainer) -> Path:
        """Folder of the bundle."""
        return Path(self.folder or Path(trainer.default_root_dir) / "bundle")

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say before the hours of training, not after, that the bundle cannot be written."""
        check_destination(self.destination(trainer))
        if self.maps is not None:
            assert isinstance(pl_module, SegmentationModule)
            pl_module.check_maps(self.maps)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the bundle, on the first process only."""
        dry_run = trainer.fast_dev_run  # type: ignore[attr-defined]  # set by Lightning, unknown to its types
        if dry_run or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, SegmentationModule)
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, SegmentationDataModule)
        assert data.split is not None
        monitored = [c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint) and c.monitor]
        best = monitored[0].best_model_path if monitored else ""
        epochs, steps = trainer.current_epoch, trainer.global_step
        if best:
            state = checkpoint_files.read(Path(best))
            pl_module.load_state_dict(state["state_dict"])
            epochs, steps = int(state["epoch"]) + 1, int(state["global_step"])
        if self.maps is not None:
            pl_module.keep_maps(self.maps)
        pictures = [data.source.load(index) for index in data.split.validation]
        segmented = self._tune(pl_module, pictures) if self.tune else _segment_all(pl_module, pictures)
        scoreboard = Scoreboard(across_processes=False)  # the other processes have nothing to add, and do not wait
        for result, picture in zip(segmented, pictures, strict=True):
            scoreboard.add(result.labels, picture.labels, picture.kind)
        scores = scoreboard.pop()
        training = {
            **data.describe(),
            "epochs": epochs,
            "steps": steps,
            "crop": data.augmenter.crop,
            "batch_size": data.batch_size,
            "seed": data.seed,
        }
        if pl_module.learned_from:
            training["started from"] = f"a bundle of {pl_module.learned_from.get('steps', 'unknown')} steps"
        card = {f"validation {name}": float(scores[name]) for name in CARD_SCORES}
        card |= {f"validation kaggle, {k}": float(scores[f"kaggle_{k}"]) for k in KINDS if f"kaggle_{k}" in scores}
        folder = pl_module.to_bundle(training=training, scores=card).save(self.destination(trainer))
        rank_zero_info(f"Bundle written to {folder}")

    def _tune(self, module: SegmentationModule, pictures: list[LabelledPicture]) -> list[Segmentation]:
        """Give the module the best parameters; returns what it finds with them."""
        if self.diameters is not None:
            module.diameter = 0.0
        best_score, best = -1.0, (module.magnification, module.decode, list[Segmentation]())
        for magnification in self.magnifications or (module.magnification,):
            module.magnification = magnification
            segmented = _segment_all(module, pictures)
            pairs = [(result.maps, p.labels) for result, p in zip(segmented, pictures, strict=True)]
            decode, score = search_decode(pairs, module.decode, module.maps)
            rank_zero_info(f"Magnification {magnification}: {decode} (validation Kaggle score {score:.4f})")
            if score > best_score:
                best_score, best = score, (magnification, decode, segmented)
        module.magnification, module.decode, segmented = best
        if self.diameters is None:
            module.reset_segmenter()
            return [result.decode(module.decode) for result in segmented]
        segmenter = Segmenter(module.to_bundle(), device=str(module.device))
        module.diameter, score = search_diameter(segmenter, pictures, self.diameters)
        rank_zero_info(f"Diameter {module.diameter:g} (validation Kaggle score {score:.4f})")
        pairs = [(result.maps, p.labels) for result, p in zip(_segment_all(module, pictures), pictures, strict=True)]
        module.decode, _ = search_decode(pairs, module.decode, module.maps)
        return _segment_all(module, pictures)  # anew: the first look depends on them


def _segment_all(module: SegmentationModule, pictures: list[LabelledPicture]) -> list[Segmentation]:
    module.reset_segmenter()
    return [module.segment(MicroscopyImage(picture.pixels, picture.name)) for picture in pictures]


class LogPictures(Callback):
    """Overlays of the first validation pictures in TensorBoard, truth left and prediction right.

    Args:
        pictures: how many.
        every_n_epochs: how often.
    """

    def __init__(self, pictures: int = 4, every_n_epochs: int = 1) -> None:
        self.pictures, self.every_n_epochs = pictures, every_n_epochs

    @rank_zero_only
    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Log one picture."""
        if batch_idx >= self.pictures or trainer.sanity_checking or trainer.current_epoch % self.every_n_epochs:
            return
        result, picture = outputs["segmentation"], batch
        display = to_display(result.image)
        pair = np.hstack([draw_overlay(display, picture.labels), draw_overlay(display, result.labels)])
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(f"val/{picture.name[:12]}", pair, trainer.global_step, dataformats="HWC")
