"""ZeroGPU of Hugging Face Spaces: a GPU that is lent for the seconds of one call; nothing of it anywhere else.

There the server's own process never has a GPU: calling a function that ``spaces.GPU`` decorates runs it in a process
forked from the server's, which has one, and what it takes and gives is pickled. So that function is the network on one
picture and no more: a visitor's pictures stay in the server, whose processor decodes, measures and draws, and no GPU is
paid for that. The forked process loads the model itself, eight megabytes, which works also for models that were
fetched after the start; those that the server moved to ``cuda`` at its start would be the only ones it had otherwise.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from segmentation.bundle import Bundle
from segmentation.engine import EngineName
from segmentation.errors import NucleoscopeError, ParameterError
from segmentation.microscopy_image import MicroscopyImage
from segmentation.segmenter import Progress, Segmenter

_ASKED_FOR = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")  # as ``spaces`` reads it


def _pytorch_has_cuda() -> bool:
    import torch

    return torch.version.cuda is not None


if _ASKED_FOR and not _pytorch_has_cuda():  # else ``spaces`` fails in words that help nobody
    raise ParameterError(
        "This Space runs on ZeroGPU, but its PyTorch was installed for processors: run "
        "`python -m segmentation.hub deploy OWNER/SPACE` again, which sees the new hardware."
    )
# Imported before anything touches CUDA, as it asks; only Hugging Face's own machines have it.
try:
    from spaces import GPU  # type: ignore[import-not-found]
except ImportError:
    GPU = None

START_S, MEGAPIXEL_S = 15, 0.5  # of one call: process, CUDA and model, and then each million pixels in the network
LONGEST_S = 120  # that is asked for; visitors without an account have as much a day
P = ParamSpec("P")
R = TypeVar("R")


def is_zero_gpu() -> bool:
    """Whether this process runs in a Space on ZeroGPU."""
    return GPU is not None and _ASKED_FOR


def load_segmenter(folder: Path, device: str, engine: EngineName = "auto") -> Segmenter:
    """The model in a folder, on ``device`` by ``engine``; on ZeroGPU, on GPUs that are lent.

    Raises:
        BundleError: if it is no whole bundle.
        ParameterError: if torch has no such device.
    """
    return LentGpuSegmenter(folder) if is_zero_gpu() else Segmenter.from_pretrained(folder, device, engine=engine)


def lent_gpu(duration: Callable[P, float]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """``spaces.GPU`` where there is one; elsewhere the function stays as it is.

    Args:
        duration: seconds that a call may take, from its arguments; who asks for less waits less.
    """
    if GPU is None:
        return lambda function: function
    return GPU(duration=duration)


def seconds_for(folder: str, image: MicroscopyImage, accurate: bool, magnification: float) -> float:
    """How long a GPU may be needed at most."""
    megapixels = image.shape[0] * image.shape[1] * magnification**2 / 1e6
    return min(round(START_S + MEGAPIXEL_S * megapixels * (8 if accurate else 1)), LONGEST_S)


@lent_gpu(seconds_for)
def predict_on_lent_gpu(
    folder: str, image: MicroscopyImage, accurate: bool, magnification: float
) -> NDArray[np.float32] | NucleoscopeError:
    """Maps ``(maps, H, W)`` in [0, 1]; an error that users are to read is returned, since raising would lose its words.

    Args:
        folder: of the bundle.
        image: one page.
        accurate: average the eight turned and mirrored views.
        magnification: of the picture before the network.
    """
    try:
        return _here(folder).predict_maps(image, accurate=accurate, magnification=magnification)
    except NucleoscopeError as error:
        return error


@lru_cache(maxsize=8)
def _here(folder: str) -> Segmenter:
    """The model in the process that has the GPU."""
    return Segmenter.from_pretrained(folder, engine="pytorch")


class LentGpuSegmenter(Segmenter):
    """A Segmenter whose network runs on GPUs that are lent; all else runs here.

    Args:
        folder: of the bundle.
    """

    def __init__(self, folder: Path) -> None:
        # By name: "auto" would find the GPU that ZeroGPU pretends to have here, outside of calls.
        super().__init__(Bundle.load(folder), "cpu", "pytorch")
        self._folder = str(folder)

    def predict_maps(
        self,
        image: MicroscopyImage,
        *,
        accurate: bool = False,
        magnification: float | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """See :meth:`segmentation.Segmenter.predict_maps`; progress is told when all is done."""
        factor = self._factor(image, magnification, accurate)
        maps = predict_on_lent_gpu(self._folder, image, accurate, factor)
        if isinstance(maps, NucleoscopeError):
            raise maps
        if progress is not None:
            progress(1.0)
        return maps
