"""From a microscopy picture to counted nuclei, with a trained network. Plain PyTorch and NumPy.

>>> from segmentation import Segmenter
>>> result = Segmenter.from_pretrained("checkpoints/nuclei")("picture.tif")  # doctest: +SKIP
>>> result.count, result.labels, result.foreground  # doctest: +SKIP
"""

from segmentation.bundle import Bundle
from segmentation.errors import NucleoscopeError
from segmentation.image_io import MicroscopyImage, read_image, read_images
from segmentation.instance_maps import DecodeParams
from segmentation.preprocessing import Preprocessing
from segmentation.segmenter import Segmentation, Segmenter
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
]
