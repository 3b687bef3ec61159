"""SegmentationModule: network, loss and scores for Lightning."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities import rank_zero_warn
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor

from data_modules.datamodule import SegmentationDataModule
from data_modules.pictures import LabelledPicture
from lightning_modules.losses import probability_loss, segmentation_loss
from lightning_modules.metrics import Scoreboard
from segmentation.batch import Batch
from segmentation.batch_inputs import Task
from segmentation.batch_outcome import Outcome
from segmentation.batch_settings import bundle_name
from segmentation.bundle import Bundle, check_diameter, check_magnification
from segmentation.errors import ParameterError
from segmentation.image_io import MicroscopyImage
from segmentation.instance_maps import FOREGROUND, DecodeParams, MapName, default_params, encode, known_names
from segmentation.networks import Network, channels_last, keep_outputs, with_outputs
from segmentation.preprocessing import Preprocessing
from segmentation.segmenter import Segmentation, Segmenter
from segmentation.unet import UNet

WARM_UP = 0.05  # share of the run
SPLIT_KEYS = ("folds", "held-out fold", "validation fraction", "split seed")  # of SegmentationDataModule.describe


class SegmentationModule(LightningModule):
    """Learns from crops; is judged on whole pictures through the very Segmenter that users run.

    Args:
        network: ``UNet()`` with its defaults if none is given.
        maps: what the network learns to predict; see :func:`segmentation.instance_maps.encode`. Its last layer is made
            as wide as that.
        preprocessing: travels with the weights.
        decode: parameters for validation; the bundle's, or else those that suit the maps, if none are given. Those
            tuned at the end of ``fit`` replace them in the exported bundle.
        bundle: a folder to start from: its network and preprocessing replace those above, for its weights are of no use
            with others. It is how a shipped model is tested, or trained further.
        learning_rate: the highest of the run; a short warm-up leads to it, a cosine from it to a hundredth.
        weight_decay: of AdamW.
        dice_weight: of the soft Dice loss beside binary cross-entropy.
        magnification: of pictures before the network, in use and when judged; the bundle's if there is one. Training
            crops have their own range of scales.
        diameter: of nuclei before the network, in pixels, by which each picture is magnified; 0: all alike. The
            bundle's if neither this nor a magnification is given.
        accurate: judge and predict with turned and mirrored views averaged, as in ``Segmenter``.
        seed: of dropout; together with the step it fixes every mask, so a resumed run equals an unbroken one.
    """

    def __init__(
        self,
        network: Network | None = None,
        maps: tuple[MapName, ...] = FOREGROUND,
        preprocessing: Preprocessing = Preprocessing(),  # noqa: B008  (frozen)
        decode: DecodeParams | None = None,
        bundle: str | None = None,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        dice_weight: float = 1.0,
        magnification: float | None = None,
        diameter: float | None = None,
        accurate: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.learned_from: Mapping[str, str | int | float] = {}
        if not known_names(maps):
            raise ParameterError(f"maps={maps}: give known names (see encode), each once, and foreground among them.")
        if bundle is not None:
            loaded = Bundle.load(bundle)
            network, preprocessing, decode = loaded.network, loaded.preprocessing, decode or loaded.decode
            if diameter is None and magnification is None:
                diameter = loaded.diameter
            maps, magnification = loaded.maps, magnification or loaded.magnification
            self.learned_from = loaded.training
        # A loaded bundle is ready for use: in evaluation mode, in which it would train without dropout and batch norm.
        self.network = channels_last(with_outputs(network or UNet(), len(maps))).train()
        self.maps = maps
        self.preprocessing, self.decode = preprocessing, decode or default_params(maps)
        self.magnification = check_magnification(1.0 if magnification is None else magnification)
        self.diameter = check_diameter(diameter or 0.0)
        self.learning_rate, self.weight_decay, self.dice_weight = learning_rate, weight_decay, dice_weight
        self.accurate, self.seed = accurate, seed
        self.scoreboard = Scoreboard()
        self.bundle_name = "unsaved" if bundle is None else bundle_name(bundle)
        self.predictions: Batch | None = None  # writes results; the callback WritePredictions makes it
        self._segmenter: Segmenter | None = None

    def to_bundle(self, **extra: Any) -> Bundle:
        """The network as it stands, with its preprocessing and decode parameters."""
        return Bundle(
            self.network,
            self.preprocessing,
            self.decode,
            maps=self.maps,
            magnification=self.magnification,
            diameter=self.diameter,
            **extra,
        )

    def check_maps(self, names: tuple[MapName, ...]) -> None:
        """Make sure that a bundle could predict ``names`` alone.

        Raises:
            ParameterError: if the network has not learned them all, or they cannot be decoded.
        """
        if not set(names) <= set(self.maps) or not known_names(names):
            raise ParameterError(f"maps={names}: choose among {self.maps}, each once, and foreground with them.")

    def keep_maps(self, names: tuple[MapName, ...]) -> None:
        """Let go of the maps that the network learned only to learn ``names`` better; see :meth:`check_maps`."""
        self.check_maps(names)
        kept = keep_outputs(self.network, [self.maps.index(name) for name in names])
        self.network, self.maps = channels_last(kept.to(self.device)), names
        self.reset_segmenter()

    def setup(self, stage: str) -> None:
        """Warn if the bundle to start from has learned pictures of the same data that are to judge it now."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if stage == "predict" or not self.learned_from or not isinstance(data, SegmentationDataModule):
            return
        before, now = self.learned_from, data.describe()
        changed = [key for key in SPLIT_KEYS if before.get(key) != now[key]]
        if changed and before.get("data") == now["data"]:
            told = "; ".join(f"{key}: {before.get(key, 'not noted')} then, {now[key]} now" for key in changed)
            rank_zero_warn(
                f"The bundle was trained on another split of these pictures ({told}). It may have learned pictures "
                "that judge it now, and its scores would flatter: give the same split, or do not trust them."
            )

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_index: int) -> Tensor:
        """Loss of one batch of crops; see :class:`data_modules.datasets.CropDataset`."""
        torch.manual_seed(hash((self.seed, self.global_step, self.global_rank)) & 0x7FFFFFFF)
        images, targets, weights = batch
        logits = self.network.logits(images.to(memory_format=torch.channels_last))
        loss = segmentation_loss(logits, targets, self.maps, weights, self.dice_weight)
        self.log("train/loss", loss, prog_bar=True, on_step=True, on_epoch=True, sync_dist=True, batch_size=len(images))
        return loss

    def segment(self, image: MicroscopyImage) -> Segmentation:
        """What a user would get from the network as it stands."""
        if self._segmenter is None:
            self._segmenter = Segmenter(self.to_bundle(), device=str(self.device))
        return self._segmenter(image, accurate=self.accurate)

    def reset_segmenter(self) -> None:
        """Take note that the weights or the decode parameters changed."""
        self._segmenter = None

    def _judge(self, picture: LabelledPicture, stage: str) -> Segmentation:
        result = self.segment(MicroscopyImage(picture.pixels, picture.name))
        self.scoreboard.add(result.labels, picture.labels, picture.kind)
        maps, target = torch.from_numpy(result.maps), torch.from_numpy(encode(picture.labels, self.maps))
        loss = probability_loss(maps[None], target[None], self.maps, self.dice_weight)
        self.log(f"{stage}/loss", loss.to(self.device), batch_size=1, sync_dist=True)
        return result

    def validation_step(self, picture: LabelledPicture, batch_index: int) -> dict[str, Any]:
        """Judge one whole picture; callbacks find what a user would get under "segmentation"."""
        return {"segmentation": self._judge(picture, "val")}

    def test_step(self, picture: LabelledPicture, batch_index: int) -> dict[str, Any]:
        """Judge one whole picture of the held-out fold; see ``validation_step``."""
        return {"segmentation": self._judge(picture, "test")}

    def predict_step(self, task: Task, batch_index: int) -> Outcome:
        """Segment a file and write its results, unless they are there; the callback WritePredictions says how."""
        if self.predictions is None:
            raise ParameterError(
                "predict: nothing says where results go; give the trainer a WritePredictions callback."
            )
        return self.predictions.process(task)

    def _log_scores(self, stage: str) -> None:
        for name, value in self.scoreboard.pop().items():
            self.log(f"{stage}/{name}", value, prog_bar=name in ("kaggle", "iou"), sync_dist=True)
        self.reset_segmenter()

    def on_validation_epoch_end(self) -> None:
        """Log the scores over all pictures."""
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        """Log the scores over all pictures."""
        self._log_scores("test")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW; the learning rate warms up, then falls along a cosine to a hundredth at the end of the run."""
        optimizer = torch.optim.AdamW(self.network.parameters(), self.learning_rate, weight_decay=self.weight_decay)
        steps = float(self.trainer.estimated_stepping_batches)

        def factor(step: int) -> float:
            done = min(step / steps, 1.0)  # a run that is resumed with more epochs never leaves the schedule
            return max(done / WARM_UP, 0.01) if done < WARM_UP else 0.01 + 0.99 * cosine(done)

        def cosine(done: float) -> float:
            return 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
