"""What the accuracy scripts share: the same pictures for all of them, and one table."""

import argparse
import time
from collections.abc import Callable

from numpy.typing import NDArray
from tqdm import tqdm

from data_modules.datamodule import SegmentationDataModule
from data_modules.dsb2018 import Dsb2018
from data_modules.pictures import KINDS, LabelledPicture
from lightning_modules.metrics import Scoreboard


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Options that every script takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="the 2018 Data Science Bowl's archive or folder (default: downloaded)")
    parser.add_argument("--cache", help="where prepared pictures are kept (default: the user's cache folder)")
    parser.add_argument("--fold-table", help="CSV file with the columns ImageId and fold (default: own folds)")
    parser.add_argument("--fold", type=int, default=0, help="the held-out fold (default: %(default)s)")
    return parser


def pictures(options: argparse.Namespace, part: str) -> list[LabelledPicture]:
    """The pictures of one ``part`` of the split: "train", "validation" or "test"."""
    data = SegmentationDataModule(
        Dsb2018(options.root, options.cache), fold=options.fold, fold_table=options.fold_table
    )
    data.prepare_data()
    data.setup("fit")
    assert data.split is not None
    return [data.source.load(index) for index in getattr(data.split, part)]


def judge(name: str, found: list[LabelledPicture], segment: Callable[[LabelledPicture], NDArray]) -> dict[str, float]:
    """Segment all pictures and print one row of the table of :func:`print_head`; returns the scores."""
    board = Scoreboard(across_processes=False)
    start = time.perf_counter()
    for picture in tqdm(found, desc=name, leave=False):
        board.add(segment(picture), picture.labels, picture.kind)
    seconds = time.perf_counter() - start
    scores = {key: float(value) for key, value in board.pop().items()}
    columns = ["kaggle", "ap50", "ap75", "ap90", "iou", "dice", *(f"kaggle_{kind}" for kind in KINDS)]
    cells = [f"{scores[key]:.3f}" if key in scores else "" for key in columns]
    print(f"| {name} | {' | '.join(cells)} | {seconds:.0f} |", flush=True)
    return scores


def print_head(found: list[LabelledPicture], part: str) -> None:
    """Print the head of the table whose rows :func:`judge` prints."""
    kinds = ", ".join(f"{sum(p.kind == kind for p in found)} {kind}" for kind in KINDS)
    print(f"{len(found)} {part} pictures ({kinds})\n")
    print("| method | Kaggle | AP50 | AP75 | AP90 | IoU | Dice | Kaggle " + " | Kaggle ".join(KINDS) + " | seconds |")
    print("| --- " * (8 + len(KINDS)) + "|", flush=True)
