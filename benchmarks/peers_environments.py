"""The tools that ``benchmarks.peers`` compares, and an environment of its own for each that is not this project."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
MARKER = "installed.json"  # written last: an environment without it is made anew
# The same PyTorch as ours. On Linux the build without CUDA, by name, so that no other can be taken for it.
TORCH = metadata.version("torch").partition("+")[0]
CPU_TORCH = f"torch=={TORCH}+cpu" if sys.platform == "linux" else f"torch=={TORCH}"
CPU_TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
SHIPPED = "2018 Data Science Bowl, 330 real pictures"


@dataclass(frozen=True)
class Peer:
    """One row.

    Attributes:
        title: its name in the table.
        pins: what pip installs into its environment, with versions; none where it runs in this project's own.
        judged: whether its accuracy can be told: its weights are trained, or it needs none.
        trained: what its weights have seen; "" where that is told when they are trained, or they are not.
        note: what its numbers hold and what they do not.
    """

    title: str
    pins: tuple[str, ...] = ()
    judged: bool = False
    trained: str = ""
    note: str = ""


PEERS: dict[str, Peer] = {  # the order of the rows
    "product": Peer("matrix product, 60 GFLOP", note="NumPy, in place of a picture of any size: the yardstick."),
    "nucleoscope": Peer("**Nucleoscope**", judged=True, trained=SHIPPED, note="The shipped model, `--engine auto`."),
    "nucleoscope-bf16": Peer(
        "Nucleoscope, 16 bits", judged=True, trained=SHIPPED, note="The shipped model, `--engine openvino-bf16`."
    ),
    "otsu": Peer(
        "Otsu, our parting",
        judged=True,
        trained="nothing",
        note="`benchmarks/otsu.py`, its first settings: Otsu's threshold, clumps parted as Nucleoscope parts them.",
    ),
    "otsu-scikit": Peer(
        "Otsu, scikit-image's watershed",
        judged=True,
        trained="nothing",
        note="The same threshold with distance transform, peaks and watershed of SciPy and scikit-image.",
    ),
    "stardist": Peer(
        "StarDist 2D",
        (
            "stardist==0.9.2",
            "csbdeep==0.8.2",
            f"tensorflow{'' if sys.platform == 'darwin' else '-cpu'}==2.21.0",
            "keras==3.15.1",
            "numpy==2.4.6",
            "scipy==1.17.1",
            "scikit-image==0.26.0",
            "numba==0.68.1",
        ),
        judged=True,
        note="The authors' package, the architecture of '2D_versatile_fluo', trained here for minutes: its accuracy "
        "says that its non-maximum suppression met realistic input, not how good StarDist can be.",
    ),
    "cellpose": Peer(
        "Cellpose 3",
        (CPU_TORCH, "cellpose==3.1.1.3", "numpy==2.0.2", "scipy==1.17.1", "numba==0.68.1"),
        note="Its network with random weights, its dynamics on the true flows, the picture not resized (its size model "
        "and a resize to its diameter would come on top); no accuracy, since its weights are not fetched.",
    ),
    "instanseg": Peer(
        "InstanSeg, network alone",
        (CPU_TORCH, "instanseg-torch==0.1.2", "numpy==2.4.6", "scipy==1.17.1", "scikit-image==0.26.0"),
        note="Its network with random weights in tiles that do not overlap; what follows the network is not run, since "
        "it needs trained weights, which are not fetched. Compare with the network's column of the others.",
    ),
}
OWN = "nucleoscope"  # what the others are compared with
YARDSTICK = "product"


def python_of(peer: str, cache: Path) -> Path:
    """The interpreter that runs a tool; that of this process where it needs no environment of its own."""
    if not PEERS[peer].pins:
        return Path(sys.executable)
    return cache / peer / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_installed(peer: str, cache: Path) -> bool:
    """Whether the environment holds exactly the pinned versions."""
    pins = PEERS[peer].pins
    if not pins:
        return True
    try:
        return json.loads((cache / peer / MARKER).read_text(encoding="utf-8"))["pins"] == list(pins)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def install(peer: str, cache: Path, timeout: float) -> str:
    """Make a tool's environment unless it is there; returns "" or, in a sentence, why it could not be made."""
    if is_installed(peer, cache):
        return ""
    folder, pins = cache / peer, PEERS[peer].pins
    folder.mkdir(parents=True, exist_ok=True)
    pip = [str(python_of(peer, cache)), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    if CPU_TORCH in pins:  # alone and first, so that nothing else decides on its build
        index = ["--extra-index-url", CPU_TORCH_INDEX, "--retries", "1", "--timeout", "20"]
        steps = [[*pip, *index, CPU_TORCH], [*pip, *pins]]
    else:
        steps = [[*pip, *pins]]
    for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], *steps):
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout
            )
        except subprocess.TimeoutExpired:
            return f"its environment was not made within {timeout:.0f} s"
        if done.returncode:
            return f"its environment could not be made ({last_words(done.stdout)})"
    (folder / MARKER).write_text(json.dumps({"pins": list(pins), "python": sys.version}), encoding="utf-8")
    return ""


def last_words(output: str) -> str:
    """The line of a failed command's output that says most: its last error, else its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no output"]
    errors = [line for line in lines if line.upper().startswith("ERROR") or "Error:" in line]
    return (errors or lines)[-1][:200]


def installed_bytes(peer: str, cache: Path) -> int:
    """What a tool and all that it needs take on the disk, pip itself not counted.

    For this project, which runs in the environment of its developers: the packages of requirements.txt and what they
    need in turn, so the page and the training as well.
    """
    if not PEERS[peer].pins:
        lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        wanted = [line.partition("#")[0].strip() for line in lines]
        return sum(map(_distribution_bytes, needed(line for line in wanted if line)))
    site = next((cache / peer).glob("Lib/site-packages" if os.name == "nt" else "lib/python*/site-packages"))
    tops = (top for top in site.iterdir() if not top.name.startswith(("pip", "__pycache__")))
    files = (file for top in tops for file in (top.rglob("*") if top.is_dir() else [top]))
    return sum(file.lstat().st_size for file in files if file.is_file())


def needed(requirements: Iterable[str]) -> set[str]:
    """Names of the installed packages that ``requirements`` lead to, through all that they require in turn."""
    found: set[tuple[str, str]] = set()  # a package, and an extra of it or ""
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        requirement = waiting.pop()
        name = requirement.name.lower().replace("_", "-")
        for extra in {"", *requirement.extras}:
            if (name, extra) in found:
                continue
            try:
                told = metadata.requires(name) or []
            except metadata.PackageNotFoundError:
                continue  # not for this system
            found.add((name, extra))
            further = map(Requirement, told)
            waiting += [each for each in further if each.marker is None or each.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


def _distribution_bytes(name: str) -> int:
    paths = (Path(str(file.locate())) for file in metadata.files(name) or [])
    return sum(path.stat().st_size for path in paths if path.exists())
