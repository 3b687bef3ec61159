"""A bundle as a BioImage.IO package, which deepImageJ (Fiji), ilastik, QuPath and bioimageio.core open."""

import io
import zipfile

import numpy as np
import tifffile
import yaml
from numpy.typing import NDArray
from onnx import GraphProto
from PIL import Image

from segmentation.bioimageio_description import (
    COVER,
    DESCRIPTION,
    DOCUMENTATION,
    SAMPLE_INPUT,
    SAMPLE_OUTPUT,
    TEST_INPUT,
    TEST_OUTPUT,
    WEIGHTS,
    describe,
    render_readme,
)
from segmentation.bundle import Bundle
from segmentation.examples import make_example
from segmentation.image_io import read_image
from segmentation.microscopy_image import MicroscopyImage
from segmentation.model_card import LICENSE
from segmentation.onnx_export import onnx_bytes
from segmentation.overlay import draw_overlay, to_display
from segmentation.segmenter import Segmenter

SMALLEST = 128  # side of the smallest tile, if the network's stride divides it


def package_bytes(
    bundle: Bundle, *, license: str = LICENSE, grey: bool = False, network: GraphProto | None = None
) -> bytes:
    """A zip with everything that the format asks for; the same bundle gives the same bytes on the same computer.

    Its network takes pixels stretched to [0, 1] by the format's own ``scale_range``, at the picture's own size: the
    bundle's magnification is in the ONNX graph. Tests of the package compare it with what :class:`Segmenter` finds.

    Args:
        bundle: its network is moved to the CPU.
        license: of the weights, as the Hub abbreviates it.
        grey: take pictures of one channel, rather than as many as the network has.
        network: see :func:`segmentation.onnx_export.onnx_bytes`.

    Raises:
        BundleError: if the network cannot be exported.
    """
    channels = 1 if grey else bundle.preprocessing.channels
    side = -(-SMALLEST // bundle.network.stride) * bundle.network.stride
    segmenter = Segmenter(bundle, "cpu", engine="pytorch")  # the same on each computer, whatever is installed
    picture = _test_picture(channels, side, side + bundle.network.stride)
    maps = segmenter.predict_maps(picture)
    files = {
        WEIGHTS: onnx_bytes(bundle, magnification=True, grey=grey, network=network),
        TEST_INPUT: _npy(picture.pixels.astype(np.float32).transpose(2, 0, 1)[None]),
        TEST_OUTPUT: _npy(maps[None]),
        SAMPLE_INPUT: _tiff(picture.pixels.transpose(2, 0, 1)),
        SAMPLE_OUTPUT: _tiff(maps),
        COVER: _cover(segmenter),
        DOCUMENTATION: render_readme(bundle, license, channels).encode(),
    }
    description = describe(bundle, files, license, channels, side)
    text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True, width=120)
    return _zip({DESCRIPTION: text.encode(), **files})


def _test_picture(channels: int, height: int, width: int) -> MicroscopyImage:
    if channels == 3:
        return MicroscopyImage(make_example("tissue", 1, height=height, width=width, nuclei=12).pixels, "test")
    grey = make_example("fluorescence", 1, height=height, width=width, nuclei=12).pixels
    return MicroscopyImage(np.repeat(grey, channels, axis=2), "test")


def _cover(segmenter: Segmenter) -> bytes:
    """PNG of a generated picture beside what the model finds in it, twice as wide as high."""
    image = read_image(make_example("fluorescence", 2, height=192, width=192, nuclei=14).pixels)
    display = to_display(image)
    file = io.BytesIO()
    pair = np.hstack([display, draw_overlay(display, segmenter(image).labels)])
    Image.fromarray(pair).save(file, format="PNG", optimize=True)
    return file.getvalue()


def _npy(array: NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()


def _tiff(planes: NDArray) -> bytes:
    """``(C, H, W)`` as ImageJ opens it, a channel a plane."""
    file = io.BytesIO()
    tifffile.imwrite(file, planes, imagej=True, metadata={"axes": "CYX"})
    return file.getvalue()


def _zip(files: dict[str, bytes]) -> bytes:
    """Stored as they are: weights hardly shrink, and compressed bytes depend on the computer's library."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as package:
        for name, data in files.items():
            member = zipfile.ZipInfo(name)  # of 1980: a time of its own would make each package another
            member.external_attr = 0o644 << 16
            member.create_system = 3  # Unix, wherever it is written
            package.writestr(member, data)
    return archive.getvalue()
