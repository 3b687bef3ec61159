"""The command line: ``python -m lightning_modules.train fit|validate|test|predict``."""

import sys
import threading
import warnings
from pathlib import Path
from typing import Any

from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn

from data_modules.datamodule import SegmentationDataModule
from lightning_modules import checkpoint_files
from lightning_modules.callbacks import EarlyStopping, ExportBundle, LastCheckpoint, LogPictures
from lightning_modules.precision import half_precision_pays
from lightning_modules.predictions import WritePredictions
from lightning_modules.push import PushToHub
from lightning_modules.report import WriteReport
from lightning_modules.segmentation_module import SegmentationModule
from segmentation.atomic import FULL
from segmentation.errors import NucleoscopeError

DEFAULT_CONFIG = Path(__file__).resolve().parents[1] / "configs" / "nuclei.yaml"
COMMANDS = ("fit", "validate", "test", "predict")


class SegmentationCLI(LightningCLI):
    """LightningCLI with our callbacks, and with precision, loggers and folders chosen by the device and the run."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Each callback's settings get a section of their own."""
        parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
        parser.add_lightning_class_args(LastCheckpoint, "last_checkpoint")
        parser.add_lightning_class_args(EarlyStopping, "early_stopping")
        parser.add_lightning_class_args(ExportBundle, "export")
        parser.add_lightning_class_args(PushToHub, "push")
        parser.add_lightning_class_args(LogPictures, "log_pictures")
        parser.add_lightning_class_args(WritePredictions, "predictions")
        parser.add_lightning_class_args(WriteReport, "report")
        parser.set_defaults(
            {
                "checkpoint.monitor": "val/kaggle",
                "checkpoint.mode": "max",
                "checkpoint.filename": "best",
                "checkpoint.auto_insert_metric_name": False,
                "early_stopping.monitor": "val/kaggle",
                "early_stopping.mode": "max",
                "early_stopping.patience": 20,
            }
        )

    def before_instantiate_classes(self) -> None:
        """Fill in what depends on the device and on the run's folder, where the user said nothing."""
        config = self.config[self.subcommand]
        trainer = config.trainer
        if trainer.precision is None:
            trainer.precision = "bf16-mixed" if half_precision_pays(trainer.accelerator) else "32-true"
        root = Path(trainer.default_root_dir or "runs/default")
        trainer.default_root_dir = str(root)
        if config.checkpoint.dirpath is None:  # beside the numbered logs, so that "--ckpt_path last" finds it
            config.checkpoint.dirpath = str(root / "checkpoints")
        config.last_checkpoint.dirpath = config.checkpoint.dirpath
        config.ckpt_path = self._checkpoint(config.ckpt_path, Path(config.checkpoint.dirpath))
        if self.subcommand == "predict":
            config.return_predictions = False  # they go to files; a folder of slides would not fit in memory
        if trainer.logger is None:
            folder = {"save_dir": str(root), "name": "logs"}
            version = _next_version(root / "logs")
            trainer.logger = [
                {"class_path": f"pytorch_lightning.loggers.{name}", "init_args": {**folder, "version": version}}
                for name in ("CSVLogger", "TensorBoardLogger")
            ]

    def _checkpoint(self, wanted: str | None, folder: Path) -> str | None:
        """The file that ``--ckpt_path`` means, once it is known to be whole.

        Raises:
            NucleoscopeError: if it is missing or damaged.
        """
        if wanted == "last":
            found = checkpoint_files.newest(folder)
            if found is None and self.subcommand != "fit":
                raise NucleoscopeError(f"{folder}: there is no checkpoint yet; train first, or name --model.bundle.")
            if found is None:
                rank_zero_info(f"{folder}: there is no checkpoint yet; training starts at the beginning.")
            return None if found is None else str(found)
        if wanted is None and self.subcommand == "fit" and (folder / checkpoint_files.LAST).exists():
            rank_zero_warn(
                f"{folder / checkpoint_files.LAST}: an earlier run got so far; this one starts at the beginning "
                "and will replace it; to go on instead, stop now and add --ckpt_path last."
            )
        if wanted not in (None, "best", "hpc") and "://" not in wanted:
            checkpoint_files.check(Path(wanted))
        return wanted

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """The trainer, with checkpoints that are written whole or not at all."""
        trainer = super().instantiate_trainer(**kwargs)
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # and not one of the user's own
            trainer.strategy.checkpoint_io = checkpoint_files.WholeCheckpoints()
        return trainer


def _next_version(logs: Path) -> int:
    """One number for both loggers; logs of earlier runs are never overwritten."""
    taken = [int(p.name[8:]) for p in logs.glob("version_*") if p.name[8:].isdigit()]
    return max(taken, default=-1) + 1


def main(args: list[str] | None = None) -> SegmentationCLI:
    """Run one subcommand; without ``--config`` the default recipe is used."""
    args = list(sys.argv[1:] if args is None else args)
    if args and args[0] in COMMANDS and not any(a in ("-c", "--config") or a.startswith("--config=") for a in args):
        args[1:1] = ["--config", str(DEFAULT_CONFIG)]
    return SegmentationCLI(
        SegmentationModule,
        SegmentationDataModule,
        args=args,
        seed_everything_default=0,
        save_config_kwargs={"overwrite": True},
        # LightningCLI's own handling of hyperparameters in checkpoints is off: the config alone decides.
        trainer_defaults={"use_distributed_sampler": False},
    )


def command_line(args: list[str] | None = None) -> int:
    """Run ``main``; a fault of the user's is one message and exit code 1, never a traceback."""
    # Lightning warns of arguments given twice; ours are the command line's, with the default recipe put in.
    warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
    before, threading.excepthook = threading.excepthook, _told_by_main_thread
    try:
        main(args)
    except Exception as error:
        fault: BaseException | None = error
        while fault is not None and not isinstance(fault, NucleoscopeError):  # the parser wraps what classes raise
            fault = fault.__cause__
        if fault is None and isinstance(error, OSError) and error.errno in FULL:
            place = f"{error.filename}: cannot be written" if error.filename else "A file cannot be written"
            fault = NucleoscopeError(
                f"{place} ({error.strerror}); free the disk, and go on with --ckpt_path last: checkpoints are whole."
            )
        if fault is None:
            raise
        print(f"error: {fault}", file=sys.stderr)
        return 1
    finally:
        threading.excepthook = before
    return 0


def _told_by_main_thread(fault: threading.ExceptHookArgs) -> None:
    """No traceback of TensorBoard's writing thread for a full disk: it hands the error to us too, who tell of it."""
    if not (isinstance(fault.exc_value, OSError) and fault.exc_value.errno in FULL):
        threading.__excepthook__(fault)


if __name__ == "__main__":
    sys.exit(command_line())
