"""On what the network runs: the device by its name, and how many threads. PyTorch is loaded only if it has to be asked.

Loading it takes more than a second, and most computers that run this have no GPU that it could find.
"""

import os
import sys
from pathlib import Path

from segmentation.errors import ParameterError

_GPU_FILES = ("nvidia[0-9]*", "nvidiactl", "nvhost-gpu", "kfd", "dxg")  # NVIDIA, Jetson, AMD, Windows' Linux


def choose_device(name: str) -> str:
    """What "auto" means here (a GPU when there is one), or the name itself.

    Args:
        name: "auto", or any name that torch knows: "cpu", "cuda:1", "mps".

    Raises:
        ParameterError: if torch has no such device.
    """
    if name == "cpu" or (name == "auto" and not may_have_gpu()):
        return "cpu"
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ParameterError(f"device={name!r}: not usable here ({reason}); choose 'auto' or 'cpu'.") from error
    return str(device)


def may_have_gpu() -> bool:
    """Whether it is worth loading PyTorch to look for a GPU: on Linux, whether the system has a driver's file."""
    if "torch" in sys.modules or not sys.platform.startswith("linux"):
        return True
    return any(any(Path("/dev").glob(pattern)) for pattern in _GPU_FILES)


def cuda_count() -> int:
    """How many GPUs PyTorch can use here under the name "cuda"."""
    if not may_have_gpu():
        return 0
    import torch

    return torch.cuda.device_count()


def given_threads() -> int | None:
    """How many threads the network was told to use: by PyTorch if that is loaded, by ``OMP_NUM_THREADS``, or not."""
    if torch := sys.modules.get("torch"):
        return int(torch.get_num_threads())
    given = os.environ.get("OMP_NUM_THREADS", "")
    if not given.isdecimal() or int(given) < 1:
        return None
    return min(int(given), os.cpu_count() or 1)  # as PyTorch takes it: more than there are cores only get in the way


def set_threads(count: int) -> None:
    """Use that many threads from now on, whichever engine runs."""
    os.environ["OMP_NUM_THREADS"] = str(count)  # what PyTorch reads if it is loaded later
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
