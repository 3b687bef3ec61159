"""``python -m segmentation.model_export onnx|bioimageio|web MODEL --out ...``: a model for other programs.

>>> main(["onnx", "checkpoints/nuclei", "--out", "nuclei.onnx"])  # doctest: +SKIP
"""

import argparse
import sys
from pathlib import Path

from segmentation.atomic import replacing
from segmentation.bundle import Bundle
from segmentation.errors import BundleError, NucleoscopeError
from segmentation.model_card import LICENSE
from segmentation.model_source import resolve


def build_parser() -> argparse.ArgumentParser:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m segmentation.model_export", description="A model for other programs, or as a web page."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    onnx = commands.add_parser("onnx", help="one file for onnxruntime and what builds on it")
    _add_model(onnx, "FILE", "the .onnx file to write")
    onnx.add_argument(
        "--with-preprocessing",
        action="store_true",
        help="take raw pixels and magnify them, in the model (default: prepared pixels, magnified already)",
    )
    package = commands.add_parser("bioimageio", help="a BioImage.IO package: deepImageJ (Fiji), ilastik, QuPath")
    _add_model(package, "FILE", "the .zip file to write")
    package.add_argument("--grey", action="store_true", help="for pictures of one channel (default: the network's)")
    package.add_argument("--license", default=LICENSE, help="of the weights (default: %(default)s)")
    web = commands.add_parser("web", help="a folder of static files: a page that segments inside the browser")
    _add_model(web, "FOLDER", "the folder to write: a new or empty one")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run; returns 0, or 1 with one line on stderr."""
    options = build_parser().parse_args(arguments)
    try:
        bundle = Bundle.load(resolve(options.model, options.revision))
        {"onnx": _onnx, "bioimageio": _bioimageio, "web": _web}[options.command](bundle, options)
    except NucleoscopeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted; nothing is left half done.", file=sys.stderr)
        return 1
    print(options.out)
    return 0


def write(data: bytes, path: Path) -> Path:
    """Write a file whole or not at all; an older one of that name is replaced.

    Raises:
        BundleError: if it cannot be written.
    """
    if path.is_dir():
        raise BundleError(f"{path}: there is a folder of that name; name a file with --out.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as scratch:
            scratch.write_bytes(data)
    except OSError as error:
        raise BundleError(f"{path}: cannot be written ({error.strerror}); name another file with --out.") from error
    return path


def _add_model(parser: argparse.ArgumentParser, metavar: str, out: str) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="bundle folder, or OWNER/NAME[@REVISION] on the Hugging Face Hub"
    )
    parser.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    parser.add_argument("--out", type=Path, required=True, metavar=metavar, help=out)


# Each loads what it needs itself: ONNX and its exporter take seconds, and --help should not.
def _onnx(bundle: Bundle, options: argparse.Namespace) -> None:
    from segmentation.onnx_export import onnx_bytes

    write(onnx_bytes(bundle, preprocessing=options.with_preprocessing), options.out)


def _bioimageio(bundle: Bundle, options: argparse.Namespace) -> None:
    from segmentation.bioimageio_export import package_bytes

    write(package_bytes(bundle, license=options.license, grey=options.grey), options.out)


def _web(bundle: Bundle, options: argparse.Namespace) -> None:
    from segmentation.web_export import export_web

    export_web(bundle, options.out)


if __name__ == "__main__":
    sys.exit(main())
