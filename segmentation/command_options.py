"""The arguments of ``python -m segmentation``. Nothing heavy is loaded here, so that ``--help`` is quick."""

import argparse
from pathlib import Path
from typing import Any

DEFAULT_MODEL = Path(__file__).resolve().parents[1] / "checkpoints" / "nuclei"
COMMAND_FORMATS = "labels,overlay,csv"  # run.json comes with them; thousands of pictures need no ROIs by default
ENGINES = ("auto", "pytorch", "openvino", "openvino-bf16")


def build_parser() -> argparse.ArgumentParser:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m segmentation",
        description="Find every nucleus in microscopy pictures. Writes the chosen files for each picture, summary.csv "
        "over all of them, and index.html to look through the overlays.",
        epilog="python -m segmentation doctor says what this computer offers and what is missing.",
    )
    parser.add_argument(
        "images",
        nargs="+",
        help="picture files, zips of them, folders that are searched for them, or patterns such as 'plates/*/*.tif'",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--model",
        default=str(DEFAULT_MODEL),
        help="model folder, or OWNER/NAME on the Hugging Face Hub (default: ours)",
    )
    parser.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: %(default)s)")
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default=ENGINES[0],
        help="what runs the network: auto is openvino on processors, pytorch on GPUs; openvino-bf16 is faster where "
        "the processor knows 16-bit numbers, and differs in a few pixels (default: %(default)s)",
    )
    results = parser.add_argument_group("results")
    results.add_argument(
        "--format",
        default=COMMAND_FORMATS,
        help="files for each picture, with commas between: %(const)s, or all (default: %(default)s)",
        const=_Formats(),
        action=_Stored,
    )
    results.add_argument("--full", action="store_true", help="measure outlines and convex hulls too")
    results.add_argument(
        "--resume", action="store_true", help="skip pictures that are done: same file, same model, same settings"
    )
    results.add_argument("--jobs", type=int, default=1, help="pictures done at a time (default: %(default)s)")
    results.add_argument("--quiet", action="store_true", help="print failures and the totals alone")
    reading = parser.add_argument_group("reading")
    reading.add_argument(
        "--stream",
        action=argparse.BooleanOptionalAction,
        help="read TIFF files by region, in memory that does not grow with them (default: those of more than 64 "
        "million pixels); labels, CSV, GeoJSON and an overview are written",
    )
    reading.add_argument(
        "--empty-contrast",
        type=float,
        default=0.0,
        metavar="PART",
        help="of streamed slides, pass by tiles whose values span no more of the range than this, e.g. 0.02 for glass "
        "(default: those of one colour)",
    )
    reading.add_argument("--channel", type=_channel, help="use this channel alone: its number from 0, or its name")
    reading.add_argument("--page", type=int, help="segment this page alone, counted from 1")
    reading.add_argument(
        "--projection", choices=["max", "mean"], help="segment the maximum or mean of a stack's planes"
    )
    nuclei = parser.add_argument_group("nuclei")
    nuclei.add_argument("--threshold", type=float, help="foreground from this probability up, 0 to 1")
    nuclei.add_argument("--separation", type=float, help="cut clumps at saddles this deep, e.g. 0.1; 0 never")
    nuclei.add_argument("--min-area", type=int, help="drop smaller objects, in pixels")
    nuclei.add_argument("--max-area", type=int, help="drop larger objects, in pixels; 0 keeps all")
    nuclei.add_argument(
        "--min-probability", type=float, help="drop objects of a lower mean probability, from 0 (keep all) to 1"
    )
    nuclei.add_argument(
        "--drop-border", action=argparse.BooleanOptionalAction, help="drop nuclei that the picture's border cuts"
    )
    nuclei.add_argument(
        "--accurate", action="store_true", help="average eight turned and mirrored views; eight times slower"
    )
    nuclei.add_argument(
        "--magnification",
        type=float,
        help="of pictures before the network, 0.1 to 8 (default: chosen by the size of the nuclei)",
    )
    return parser


class _Stored(argparse.Action):
    """Stores one value, like argparse's own, which allows no ``const``."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        setattr(namespace, self.dest, values)


class _Formats:
    """The formats there are, looked up when the help is printed: what knows them takes seconds to load."""

    def __str__(self) -> str:
        from segmentation.exports import FORMATS

        return ", ".join(FORMATS)


def _channel(text: str) -> int | str:
    return int(text) if text.isdecimal() else text
