"""``predict`` writes what the command line writes, file by file, from any number of processes and machines."""

import hashlib
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from safetensors.torch import save as save_tensors
from tqdm import tqdm

from data_modules.datamodule import SegmentationDataModule
from lightning_modules.segmentation_module import SegmentationModule
from segmentation.batch import Batch
from segmentation.batch_command import lines_of, told
from segmentation.batch_inputs import mark_results
from segmentation.batch_outcome import SUMMARY, Journal, Outcome, Results, count_of, write_summary
from segmentation.batch_settings import Settings, parse_formats
from segmentation.bundle import Bundle
from segmentation.command_options import COMMAND_FORMATS
from segmentation.contact_sheet import write_contact_sheet
from segmentation.errors import DataError, ParameterError
from segmentation.projection import Projection

_JOURNALS = ".journals-"  # and a number of the run: a folder with a journal of each process, for as long as it runs
_LOOK_S = 0.2  # between looks at whether the others are done


class WritePredictions(Callback):
    """``predict`` writes the results of each file, and in the end ``summary.csv`` and ``index.html`` over all of them.

    Each file is done by one process, and nothing is shared but the folder, which all machines must see. The first
    process waits for the others; one that gives no sign of life is given up, and what it left is done with ``resume``.

    Args:
        folder: where to; ``predictions`` in the run's folder by default.
        format: files for each picture, with commas between; see ``python -m segmentation --help``.
        channel: segment this channel alone: its number from 0, or its name.
        page: segment this page alone, counted from 1.
        projection: segment the maximum or mean of a stack's planes.
        full: measure outlines and convex hulls too.
        resume: skip pictures that are done: same file, same model, same settings.
        patience: seconds without a sign of life after which another process is given up.
    """

    def __init__(
        self,
        folder: str | None = None,
        format: str = COMMAND_FORMATS,
        channel: int | str | None = None,
        page: int | None = None,
        projection: Projection | None = None,
        full: bool = False,
        resume: bool = False,
        patience: float = 120.0,
    ) -> None:
        if patience <= 0:
            raise ParameterError(f"patience={patience}: more than 0 seconds.")
        self.folder, self.patience, self._start = folder, patience, 0.0
        self._settings = Settings(
            Path(), None, parse_formats(format), channel, page, projection, full=full, resume=resume
        )
        self._journals, self._post = Path(), _Post(Path(), 0)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Make the folder, and agree with the other processes on where the journals of this run are."""
        if stage != "predict":
            return
        out = Path(self.folder or Path(trainer.default_root_dir) / "predictions")
        token = trainer.strategy.broadcast(uuid.uuid4().hex)
        self._settings, self._journals = replace(self._settings, out=out), out / f"{_JOURNALS}{token}"
        try:
            mark_results(out)
            self._journals.mkdir(exist_ok=True)
        except OSError as error:
            raise DataError(
                f"{error.filename or out}: cannot be written ({error.strerror}); name another --predictions.folder."
            ) from error

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the module what writes results."""
        assert isinstance(pl_module, SegmentationModule)
        self._start = time.perf_counter()
        settings = replace(
            self._settings,
            params=pl_module.decode,
            accurate=pl_module.accurate,
        )
        bundle = _with_revision(pl_module.to_bundle())
        pl_module.predictions = Batch(settings, bundle, pl_module.bundle_name, pl_module.segment)
        self._post = _Post(self._journals, trainer.global_rank)
        self._post.begin(self.patience / 10)

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Note what became of a file, and print it."""
        assert isinstance(outputs, Outcome)
        self._post.add(outputs)
        for line in lines_of(outputs):
            tqdm.write(line)
        if outputs.error:
            tqdm.write(f"error: {outputs.error}", file=sys.stderr)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Do not let the first process wait for this one."""
        self._post.end()

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Be done; the first process waits for the others and writes the summary.

        Raises:
            DataError: in the first process, if files failed or were not done.
        """
        self._post.end()
        if not trainer.is_global_zero:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]  # set by Lightning, unknown to its types
        assert isinstance(data, SegmentationDataModule)
        out, files = self._settings.out, len(data.tasks)
        posts = [_Post(self._journals, rank) for rank in range(min(trainer.world_size, files))]
        lost = _wait(posts, self.patience)
        results = Results([post.path for post in posts if post.path.exists()], files)
        try:
            write_summary(out / SUMMARY, results)
            write_contact_sheet(out, results, self._settings.formats)
        except OSError as error:
            raise DataError(f"{error.filename or out}: cannot be written ({error.strerror}).") from error
        for left_over in out.glob(f"{_JOURNALS}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        totals = results.totals
        tqdm.write(told(totals, time.perf_counter() - self._start, out))
        left = files - totals.finished - totals.failed
        if left:
            who = f"process {', '.join(map(str, lost))} ended too early" if lost else "the run was cut short"
            raise DataError(
                f"{count_of(left, 'file')} not done: {who}; the same command with --predictions.resume true goes on."
            )
        if totals.failed:
            raise DataError(f"{count_of(totals.failed, 'file')} failed; {out / SUMMARY} says why.")


class _Post:
    """What one process lets the first one know, by files: its journal, signs of life, and that it is done."""

    def __init__(self, folder: Path, rank: int) -> None:
        self.rank, self.path = rank, folder / f"{rank}.jsonl"
        self._alive, self._done = folder / f"{rank}.alive", folder / f"{rank}.done"
        self._journal: Journal | None = None
        self._over = threading.Event()

    def begin(self, every: float) -> None:
        """Open the journal, and give a sign of life every so many seconds."""
        self._journal = Journal(self.path)
        threading.Thread(target=self._beat, args=(every,), daemon=True).start()

    def add(self, outcome: Outcome) -> None:
        """Note one outcome."""
        assert self._journal is not None
        self._journal.add(outcome)

    def end(self) -> None:
        """Nothing more is coming."""
        if self._journal is not None:
            self._over.set()
            self._journal.close()
            self._done.touch()
            self._journal = None

    def sign(self) -> str | None:
        """Another text each time that the process was seen alive; None if it is done."""
        if self._done.exists():
            return None
        try:
            return self._alive.read_text()
        except OSError:
            return ""

    def _beat(self, every: float) -> None:
        beat = 0
        while True:
            beat += 1
            with suppress(OSError):  # a disk that is full for a moment, or a folder that the first process removed
                self._alive.write_text(str(beat))
            if self._over.wait(every):
                return


def _wait(posts: Iterable[_Post], patience: float) -> list[int]:
    """Until every process is done or given up; returns the ranks of the latter.

    No barrier: those of torch.distributed give up after half an hour, and shares can differ by more.
    """
    waiting, lost = list(posts), []
    seen = {post.rank: ("", time.monotonic()) for post in waiting}
    while waiting:
        for post in list(waiting):
            sign, now = post.sign(), time.monotonic()
            before, since = seen[post.rank]
            if sign is None:
                waiting.remove(post)
            elif sign != before:
                seen[post.rank] = sign, now
            elif now - since > patience:
                waiting.remove(post)
                lost.append(post.rank)
        if waiting:
            time.sleep(_LOOK_S)
    return lost


def _with_revision(bundle: Bundle) -> Bundle:
    """The same with the revision that :meth:`Bundle.save` and a reload would give it: ``resume`` goes by that."""
    state = {key: value.detach().cpu().contiguous() for key, value in bundle.network.state_dict().items()}
    return replace(bundle, revision=hashlib.sha256(save_tensors(state)).hexdigest()[:12])
