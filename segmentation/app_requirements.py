"""What the app alone needs of ``requirements.txt``: nothing of training, and an OpenCV that needs no screen.

As a script it needs Python alone, since whoever builds an image asks it what to install:
``python segmentation/app_requirements.py requirements.txt``.
"""

import argparse
import re
import sys
from pathlib import Path

TRAINING = ("jsonargparse", "matplotlib", "pyimgaug", "pytorch-lightning", "tensorboard", "torchmetrics")
HEADLESS_OPENCV = "opencv-python-headless==5.0.0.93"  # without windows: the other build needs libGL, servers have none
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?P<extras>\[[^\]]*\])?==(?P<version>[^\s;#]+)")


def app_requirements(text: str, *, cuda: bool) -> str:
    """The lines of a ``requirements.txt`` that serving the page takes, with their pins.

    Args:
        text: of the file; every requirement in it is pinned by ``==``.
        cuda: PyTorch for GPUs, as PyPI has it; else the build for processors, which is a tenth of the size.

    Raises:
        ValueError: if it names no ``torch``, or a line is not pinned.
    """
    lines = ["# What the app needs; made of the project's requirements.txt by segmentation/app_requirements.py."]
    lines += [] if cuda else [f"--extra-index-url {CPU_INDEX}"]
    names = set()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _REQUIREMENT.match(line)
        if found is None:
            raise ValueError(f"line {number} of requirements.txt, {line!r}, pins no version; write NAME==VERSION.")
        name = found["name"].lower()
        names.add(name)
        if name in TRAINING:
            continue
        local = "+cpu" if name == "torch" and not cuda else ""
        lines.append(f"{found['name']}{found['extras'] or ''}=={found['version']}{local}")
    if "torch" not in names:
        raise ValueError("requirements.txt names no torch, which the app cannot do without; take the project's own.")
    if "opencv-python-headless" not in names:
        lines.append(HEADLESS_OPENCV)
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Print them; returns 0, or 1 with one line on stderr."""
    parser = argparse.ArgumentParser(description="Print what the app needs of a requirements.txt.")
    parser.add_argument("file", type=Path, help="requirements.txt")
    parser.add_argument("--cuda", action="store_true", help="PyTorch for GPUs (default: for processors)")
    options = parser.parse_args(arguments)
    try:
        print(app_requirements(options.file.read_text(encoding="utf-8"), cuda=options.cuda), end="")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
