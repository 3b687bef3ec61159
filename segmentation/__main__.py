"""``python -m segmentation IMAGES... --out DIR``: pictures and folders of them to labels, overlays and counts."""

import argparse
import csv
import sys
from dataclasses import fields, replace
from pathlib import Path

from tqdm import tqdm

from segmentation.bundle import check_magnification
from segmentation.errors import ImageReadError, NucleoscopeError
from segmentation.image_io import SUFFIXES
from segmentation.instance_maps import DecodeParams
from segmentation.segmenter import Segmentation, Segmenter
from segmentation.writers import free_name, write_labels, write_overlay

DEFAULT_MODEL = Path(__file__).resolve().parents[1] / "checkpoints" / "nuclei"


def build_parser() -> argparse.ArgumentParser:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m segmentation",
        description="Find every nucleus in microscopy pictures (PNG, JPEG, TIFF, BMP, GIF; every page of each). Writes "
        "NAME_labels.tif, NAME_overlay.png and counts.csv.",
    )
    parser.add_argument("images", nargs="+", type=Path, help="picture files, or folders that are searched for them")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="model bundle (default: the shipped one)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: %(default)s)")
    parser.add_argument("--channel", type=_channel, help="use this channel alone: its number from 0, or its name")
    parser.add_argument("--page", type=int, help="segment this page alone, counted from 1")
    parser.add_argument("--projection", choices=["max", "mean"], help="segment the maximum or mean of a stack's planes")
    parser.add_argument("--threshold", type=float, help="foreground from this probability up, 0 to 1")
    parser.add_argument("--separation", type=float, help="cut clumps at saddles this deep, e.g. 0.1; 0 never")
    parser.add_argument("--min-area", type=int, help="drop smaller objects, in pixels")
    parser.add_argument("--max-area", type=int, help="drop larger objects, in pixels; 0 keeps all")
    parser.add_argument(
        "--drop-border", action=argparse.BooleanOptionalAction, help="drop nuclei that the picture's border cuts"
    )
    parser.add_argument(
        "--accurate", action="store_true", help="average eight turned and mirrored views; eight times slower"
    )
    parser.add_argument(
        "--magnification",
        type=float,
        help="of pictures before the network: e.g. 0.3 for nuclei of more than 50 pixels across, 2 for less than 8",
    )
    return parser


def _channel(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def find_images(sources: list[Path], out: Path) -> list[Path]:
    """Files as named, and pictures inside folders (and their folders), sorted by path.

    What an earlier run left in ``out`` is no picture to segment, also where ``out`` lies inside such a folder.

    Raises:
        ImageReadError: for a path that does not exist, or a folder without pictures.
    """
    found: list[Path] = []
    for source in sources:
        if source.is_dir():
            pictures = sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            inside = [p for p in pictures if out.resolve() not in p.resolve().parents]
            if not inside:
                raise ImageReadError(f"{source}: no pictures in this folder; name one that holds some.")
            found += inside
        elif source.exists():
            found.append(source)
        else:
            raise ImageReadError(f"{source}: no such file or folder; check the path.")
    return list(dict.fromkeys(found))


def chosen_params(default: DecodeParams, arguments: argparse.Namespace) -> DecodeParams:
    """The bundle's parameters, with those named on the command line in their place."""
    given = {
        field.name: value
        for field in fields(DecodeParams)
        if (value := getattr(arguments, field.name, None)) is not None
    }
    return replace(default, **given)


def main(arguments: list[str] | None = None) -> int:
    """Run; returns 0, or 1 if any picture failed. One failure never stops the others."""
    options = build_parser().parse_args(arguments)
    try:
        paths = find_images(options.images, options.out)
        if options.magnification is not None:
            check_magnification(options.magnification)
        segmenter = Segmenter.from_pretrained(options.model, options.device)
        params = chosen_params(segmenter.bundle.decode, options)
        options.out.mkdir(parents=True, exist_ok=True)
        counts = (options.out / "counts.csv").open("w", newline="", encoding="utf-8")
    except NucleoscopeError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or options.out}: cannot be written ({error.strerror}); name another --out.")
    failed, taken = 0, set[str]()
    with counts as file:
        table = csv.writer(file)
        table.writerow(["image", "nuclei", "width_px", "height_px", "seconds", "notes"])
        for path in tqdm(paths, unit="picture", disable=len(paths) == 1):
            try:
                for result in segmenter.segment_pages(
                    path,
                    params,
                    channel=options.channel,
                    page=options.page,
                    projection=options.projection,
                    accurate=options.accurate,
                    magnification=options.magnification,
                ):
                    name = free_name(result.image.name, taken)
                    write_labels(options.out / f"{name}_labels.tif", result.labels)
                    write_overlay(options.out / f"{name}_overlay.png", result)
                    height, width = result.image.shape
                    notes = " ".join(result.image.notes)
                    table.writerow([name, result.count, width, height, f"{result.seconds:.2f}", notes])
                    file.flush()
                    tqdm.write(_line(name, result))
            except NucleoscopeError as error:
                failed += 1
                tqdm.write(f"error: {error}", file=sys.stderr)
            except OSError as error:
                return _fail(f"{error.filename or options.out}: cannot be written ({error.strerror}).")
    return 1 if failed else 0


def _line(name: str, result: Segmentation) -> str:
    height, width = result.image.shape
    nuclei = "nucleus" if result.count == 1 else "nuclei"
    notes = "".join(f" ({note})" for note in result.image.notes)
    return (
        f"{name}: {result.count:,} {nuclei} in {result.seconds:.2f} s, "
        f"{width} x {height} {result.image.colours} {result.image.pixels.dtype}{notes}"
    )


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
