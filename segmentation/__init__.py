"""From a microscopy picture to counted nuclei, with a trained network. Plain PyTorch and NumPy.

>>> from segmentation import Segmenter
>>> result = Segmenter.from_pretrained("checkpoints/nuclei")("picture.tif")  # doctest: +SKIP
>>> result.count, result.labels, result.foreground  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segmentation.bundle import Bundle
    from segmentation.errors import NucleoscopeError
    from segmentation.image_io import MicroscopyImage, read_image, read_images
    from segmentation.instance_maps import DecodeParams
    from segmentation.preprocessing import Preprocessing
    from segmentation.segmenter import Segmentation, Segmenter
    from segmentation.slide_segment import segment_slide
    from segmentation.unet import UNet

__version__ = "0.1.0"
__all__ = [
    "Bundle",
    "DecodeParams",
    "MicroscopyImage",
    "NucleoscopeError",
    "Preprocessing",
    "Segmentation",
    "Segmenter",
    "UNet",
    "read_image",
    "read_images",
    "segment_slide",
]
_HOMES = {
    "Bundle": "bundle",
    "DecodeParams": "instance_maps",
    "MicroscopyImage": "image_io",
    "NucleoscopeError": "errors",
    "Preprocessing": "preprocessing",
    "Segmentation": "segmenter",
    "Segmenter": "segmenter",
    "segment_slide": "slide_segment",
    "UNet": "unet",
    "read_image": "image_io",
    "read_images": "image_io",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is asked for: PyTorch alone takes seconds, and ``--help`` needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
