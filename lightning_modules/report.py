"""``test`` leaves a folder: scores, what went wrong and where, and a page to read."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info

from data_modules.dsb2018 import Dsb2018
from lightning_modules.report_page import WorstPicture, page_link, write_page
from lightning_modules.report_plots import comparison, plot_ap
from lightning_modules.report_tables import PictureScores, Summary, judge_picture, summarise, write_tables
from lightning_modules.segmentation_module import SegmentationModule
from segmentation.bundle import Bundle
from segmentation.errors import ParameterError
from segmentation.networks import network_name
from segmentation.scores import THRESHOLDS
from segmentation.writers import free_name

PAGE = "report.html"


class _Kept(NamedTuple):
    """One of the worst pictures so far; the lowest score is the worst, the name decides ties."""

    kaggle: float
    name: str
    scores: PictureScores
    png: bytes


class WriteReport(Callback):
    """``test`` writes report.html, its pictures, and the numbers as CSV.

    Several processes judge a share of the pictures each; the first one gathers them all and writes.

    Args:
        folder: where to; ``report`` in the run's folder by default.
        worst: how many of the pictures with the lowest Kaggle scores are shown.
        card: a bundle whose card takes the scores in; it must be what was judged, weights and settings.

    Raises:
        ParameterError: if ``worst`` is negative.
    """

    def __init__(self, folder: str | None = None, worst: int = 12, card: str | None = None) -> None:
        if worst < 0:
            raise ParameterError(f"worst={worst}: a number of pictures is 0 or more.")
        self.folder, self.worst, self.card = folder, worst, card
        self._pictures: list[PictureScores] = []
        self._worst: list[_Kept] = []

    def _destination(self, trainer: Trainer) -> Path:
        return Path(self.folder or Path(trainer.default_root_dir) / "report")

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say before the pictures are judged, not after, that the report has no place to go.

        Raises:
            ParameterError: if the folder cannot be made, or the card is of other weights.
            BundleError: if there is no bundle for the card.
        """
        self._pictures, self._worst = [], []
        if _dry_run(trainer) or not trainer.is_global_zero:
            return
        if self.card is not None and not _as_shipped(Bundle.load(self.card), pl_module):
            raise ParameterError(
                f"{self.card}: what is under test has other weights or settings than this bundle; name it with both "
                "--model.bundle and --report.card, and change nothing else of the model."
            )
        folder = self._destination(trainer)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ParameterError(
                f"{folder}: the report needs a folder that can be made ({error.strerror}); name another with "
                "--report.folder."
            ) from error

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Judge one picture, and draw it if it is among the worst so far."""
        if _dry_run(trainer):
            return
        result, picture = outputs["segmentation"], batch
        scores = judge_picture(result.labels, picture.labels, picture.name, picture.kind)
        self._pictures.append(scores)
        rank = (scores.kaggle, scores.name)
        if len(self._worst) < self.worst or (self._worst and rank < self._worst[-1][:2]):
            png = comparison(result.image, result.labels, picture.labels)
            self._keep([*self._worst, _Kept(*rank, scores, png)])

    def _keep(self, candidates: list[_Kept]) -> None:
        self._worst = sorted(candidates, key=lambda kept: kept[:2])[: self.worst]

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Gather what all processes saw; write, on the first one only."""
        if _dry_run(trainer):
            return
        self._pictures = sorted(_of_all_processes(self._pictures), key=lambda scores: scores.name)
        self._keep(_of_all_processes(self._worst))
        if trainer.is_global_zero and self._pictures:
            page = self._write(self._destination(trainer), trainer, pl_module)
            rank_zero_info(f"Report written to {page}")
            if self.card is not None:
                _write_card(self.card, summarise(self._pictures), pl_module)

    def _write(self, folder: Path, trainer: Trainer, pl_module: LightningModule) -> Path:
        data = getattr(trainer, "datamodule", None)
        published = isinstance(getattr(data, "source", None), Dsb2018)  # others' scores say nothing of other data
        summaries = summarise(self._pictures)
        write_tables(folder, self._pictures, summaries)
        plot_ap(folder, summaries, published=published)
        pictures = folder / "worst"
        pictures.mkdir(exist_ok=True)
        earlier = (folder / PAGE).read_text(encoding="utf-8") if (folder / PAGE).exists() else ""
        for path in pictures.glob("*.png"):
            if f'"{page_link(path.relative_to(folder))}"' in earlier:  # else it is not a report's, but the user's
                path.unlink()
        worst, taken = [], set[str]()
        for rank, kept in enumerate(self._worst, 1):
            path = pictures / f"{rank:02d}_{free_name(kept.name, taken)}.png"
            path.write_bytes(kept.png)
            worst.append(WorstPicture(kept.scores, page_link(path.relative_to(folder))))
        about = {**(data.describe() if data is not None else {}), **_describe(pl_module)}
        write_page(folder / PAGE, summaries, worst, about, published=published)
        return folder / PAGE


def _as_shipped(bundle: Bundle, module: LightningModule) -> bool:
    if not isinstance(module, SegmentationModule) or module.accurate:
        return False
    if (bundle.maps, bundle.decode) != (module.maps, module.decode):
        return False
    ours, theirs = module.network.state_dict(), bundle.network.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key].cpu(), theirs[key]) for key in ours)


def _write_card(folder: str, summaries: list[Summary], module: LightningModule) -> None:
    """The held-out scores, beside what the card already says."""
    assert isinstance(module, SegmentationModule)
    everything, *kinds = summaries
    bundle = Bundle.load(folder)
    ap = dict(zip((f"ap{round(100 * t)}" for t in THRESHOLDS), everything.ap, strict=True))
    scores: dict[str, float | int] = {"held-out pictures": everything.pictures, "held-out kaggle": everything.kaggle}
    scores |= {f"held-out {name}": float(ap[name]) for name in ("ap50", "ap75", "ap90")}
    scores |= {"held-out iou": everything.iou, "held-out dice": everything.dice}
    for summary in kinds:
        scores[f"held-out kaggle, {summary.kind}"] = summary.kaggle
        scores[f"held-out ap50, {summary.kind}"] = float(summary.ap[0])
    replace(bundle, scores={**bundle.scores, **scores}).save(folder)
    rank_zero_info(f"Scores written into the card of {folder}")


def _dry_run(trainer: Trainer) -> bool:
    return bool(trainer.fast_dev_run)  # type: ignore[attr-defined]  # set by Lightning, unknown to its types


def _describe(module: LightningModule) -> dict[str, str]:
    if not isinstance(module, SegmentationModule):
        return {}
    count = sum(parameter.numel() for parameter in module.network.parameters())
    return {
        "network": f"{network_name(module.network)}, {count:,} parameters",
        "maps": ", ".join(module.maps),
        "decode parameters": ", ".join(f"{name} {value}" for name, value in asdict(module.decode).items()),
    }


def _of_all_processes(mine: list) -> list:
    """The lists of all processes, joined; every process must call this."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return list(mine)
    parts: list[list] = [[] for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather_object(parts, mine)
    return [item for part in parts for item in part]
