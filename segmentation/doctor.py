"""``python -m segmentation doctor``: what this computer offers, what is missing, and what to do about it."""

import argparse
import importlib
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from segmentation.command_options import DEFAULT_MODEL

State = Literal["ok", "note", "missing"]
REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements.txt"
NEEDED = {  # what segments pictures, by the name that is imported
    "torch": "torch",
    "numpy": "numpy",
    "scipy": "scipy",
    "skimage": "scikit-image",
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "tifffile": "tifffile",
    "pydicom": "pydicom",
    "imagecodecs": "imagecodecs",
    "pandas": "pandas",
    "roifile": "roifile",
    "safetensors": "safetensors",
    "tqdm": "tqdm",
}
CODECS = ("deflate", "lzw", "packbits", "lzma", "zstd", "jpeg", "jpeg2k", "jpegxl", "lerc", "webp", "png")
LITTLE_SPACE = 2**30  # bytes: less is worth a note


class Finding(NamedTuple):
    """One line of the check-up.

    Attributes:
        topic: what was looked at.
        state: "ok", "note" (works, but look at it) or "missing" (nothing works without it).
        text: what was found, and where something is to be done, what.
    """

    topic: str
    state: State
    text: str


def examine(model: str | Path = DEFAULT_MODEL, device: str = "auto") -> list[Finding]:
    """Look at everything; no fault in one thing keeps the others from being looked at."""
    checks: list[Callable[[], Iterator[Finding]]] = [
        _versions,
        _packages,
        _codecs,
        lambda: _devices(device),
        _threads,
        lambda: _bundle(model),
        _folders,
        _disk,
    ]
    return [finding for check in checks for finding in _safely(check)]


def main(arguments: list[str] | None = None) -> int:
    """Print the findings; returns 1 if something that is needed is missing, else 0."""
    parser = argparse.ArgumentParser(prog="python -m segmentation doctor", description=__doc__)
    parser.add_argument("--model", default=str(DEFAULT_MODEL), help="model folder (default: ours)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: %(default)s)")
    options = parser.parse_args(arguments)
    print("Looking at this computer", flush=True)  # before what takes seconds to load
    findings = examine(options.model, options.device)
    width = max(len(finding.topic) for finding in findings)
    sign = {"ok": "  ", "note": "? ", "missing": "! "}
    for finding in findings:
        print(f"{sign[finding.state]}{finding.topic:{width}}  {finding.text}")
    missing = sum(finding.state == "missing" for finding in findings)
    things = "thing" if missing == 1 else "things"
    print(f"{missing} {things} to mend, marked !" if missing else "Everything that segmenting needs is here.")
    return 1 if missing else 0


def _safely(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except Exception as error:  # whatever is broken, the check-up goes on
        name = getattr(check, "__name__", "check").strip("_")
        yield Finding(name, "missing", f"cannot be looked at ({_reason(error)}); mend what is marked above first.")


def _versions() -> Iterator[Finding]:
    import segmentation

    good = sys.version_info >= (3, 11)
    cure = "" if good else "; needs 3.11 or newer: make PYTHON=python3.12 app"
    yield Finding("nucleoscope", "ok", segmentation.__version__)
    yield Finding("python", "ok" if good else "missing", f"{platform.python_version()} ({platform.platform()}){cure}")


def _packages() -> Iterator[Finding]:
    pinned = _pinned()
    for module, package in NEEDED.items():
        try:
            found = importlib.import_module(module)
        except Exception as error:  # a broken package raises anything
            yield Finding(
                package, "missing", f"cannot be loaded ({_reason(error)}): pip install {_pin(package, pinned)}"
            )
            continue
        version = str(getattr(found, "__version__", "")) or _installed(package)
        wanted = pinned.get(package, "")
        if wanted and version.split("+")[0] != wanted:
            yield Finding(package, "note", f"{version}; tested with {wanted}: pip install {package}=={wanted}")
        else:
            yield Finding(package, "ok", version)
    from segmentation.engine import has_openvino

    if has_openvino():
        yield Finding("openvino", "ok", _installed("openvino"))
    else:
        text = f"not here: PyTorch runs the network, more slowly; pip install {_pin('openvino', pinned)}"
        yield Finding("openvino", "note", text)
    others = [f"{name} {_installed(name) or 'is not installed'}" for name in ("gradio", "pytorch-lightning")]
    yield Finding("page, training", "ok", ", ".join(others))


def _codecs() -> Iterator[Finding]:
    import imagecodecs

    absent = [name for name in CODECS if not getattr(getattr(imagecodecs, name.upper(), None), "available", False)]
    if absent:
        text = f"no {', '.join(absent)}: such files are not read; pip install --force-reinstall imagecodecs"
        yield Finding("codecs", "note", text)
    else:
        yield Finding("codecs", "ok", ", ".join(CODECS))


def _devices(name: str) -> Iterator[Finding]:
    import torch

    from segmentation.errors import ParameterError
    from segmentation.segmenter import Segmenter  # noqa: F401  (what is to be used must load)

    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        text = f"{torch.cuda.get_device_name(index)}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        yield Finding(f"cuda:{index}", "ok", text)
    if torch.backends.mps.is_available():
        yield Finding("mps", "ok", "Apple GPU")
    elif not torch.cuda.device_count():
        built = "" if torch.version.cuda else "; this PyTorch is built without CUDA"
        yield Finding("gpu", "ok", f"none{built}: the processor does the work")
    if name != "auto":
        try:
            torch.empty(1, device=name)
            yield Finding("device", "ok", name)
        except (RuntimeError, AssertionError) as error:
            fault = ParameterError(f"{name!r} is not usable here ({_reason(error)}); choose auto or cpu")
            yield Finding("device", "missing", str(fault))


def _threads() -> Iterator[Finding]:
    import torch

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads, given = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    text = f"{threads} of PyTorch on {usable} usable cores" + (f", OMP_NUM_THREADS={given}" if given else "")
    if threads > usable:
        yield Finding("threads", "note", f"{text}: too many fight for the cores; set OMP_NUM_THREADS={usable}")
    else:
        yield Finding("threads", "ok", text)


def _bundle(model: str | Path) -> Iterator[Finding]:
    from segmentation.bundle import Bundle
    from segmentation.errors import NucleoscopeError
    from segmentation.model_source import resolve

    try:
        bundle = Bundle.load(resolve(model))
    except NucleoscopeError as error:
        yield Finding("model", "missing", str(error))
        return
    known = {name: value for name, value in bundle.scores.items() if "," not in name and isinstance(value, float)}
    held_out = {name: value for name, value in known.items() if name.startswith("held-out")}
    scores = ", ".join(f"{name} {value:.3f}" for name, value in (held_out or known).items())
    chosen = "by the size of nuclei, otherwise " if bundle.diameter else ""
    yield Finding(
        "model", "ok", f"{Path(model).name}, revision {bundle.revision}, magnification {chosen}{bundle.magnification}"
    )
    yield Finding("scores", "ok", scores or "none noted")


def _folders() -> Iterator[Finding]:
    import platformdirs

    places = {
        "cache": Path(platformdirs.user_cache_dir("nucleoscope")),
        "data": Path(platformdirs.user_data_dir("nucleoscope")),
        "hub cache": Path(os.environ.get("HF_HOME") or Path(platformdirs.user_cache_dir()) / "huggingface"),
        "scratch": Path(tempfile.gettempdir()),
    }
    for topic, place in places.items():
        existing = next(parent for parent in (place, *place.parents) if parent.exists())
        if not os.access(existing, os.W_OK):
            cure = "set TMPDIR to a folder of yours" if topic == "scratch" else "change its rights, or XDG_CACHE_HOME"
            yield Finding(topic, "note", f"{place} cannot be written to; {cure}")
        else:
            yield Finding(topic, "ok", str(place) if place.exists() else f"{place} (not made yet)")


def _disk() -> Iterator[Finding]:
    for topic, place in (("disk here", Path.cwd()), ("disk of scratch", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(place).free
        few = free < LITTLE_SPACE
        text = f"{free / 2**30:,.1f} GiB free" + ("; free some before a batch" if few else "")
        yield Finding(topic, "note" if few else "ok", text)


def _pinned() -> dict[str, str]:
    if not REQUIREMENTS.is_file():
        return {}
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    found = (re.match(r"([A-Za-z0-9._-]+)(?:\[.*\])?==([^\s;]+)", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def _pin(package: str, pinned: dict[str, str]) -> str:
    return f"{package}=={pinned[package]}" if package in pinned else package


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
