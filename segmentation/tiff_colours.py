"""What the numbers of a TIFF page mean, which tifffile leaves to its caller: palettes, inks, luminance, alpha."""

import numpy as np
import tifffile
from numpy.typing import NDArray

from segmentation.errors import ImageReadError
from segmentation.layout import Plane

_PHOTOMETRIC = tifffile.PHOTOMETRIC
_READ = (
    _PHOTOMETRIC.MINISWHITE,
    _PHOTOMETRIC.MINISBLACK,
    _PHOTOMETRIC.RGB,
    _PHOTOMETRIC.PALETTE,
    _PHOTOMETRIC.MASK,
    _PHOTOMETRIC.SEPARATED,
    _PHOTOMETRIC.YCBCR,
)
_JPEG = (6, 7, 33007, 34892)  # compressions from which tifffile gives RGB


def check_colours(page: tifffile.TiffPage, label: str) -> None:
    """Refuse kinds of colours that are not read.

    Raises:
        ImageReadError: naming the kind.
    """
    kind = int(page.photometric)
    if kind not in _READ:
        known = kind in {int(each) for each in _PHOTOMETRIC}
        named = f"{kind} ({_PHOTOMETRIC(kind).name})" if known else f"{kind}"
        raise ImageReadError(
            f"{label}: photometric interpretation {named} cannot be read here; export it as grey or RGB."
        )
    if kind == _PHOTOMETRIC.YCBCR and int(page.compression) not in _JPEG and page.dtype != np.uint8:
        raise ImageReadError(
            f"{label}: luminance and colours (YCbCr) of {page.dtype} cannot be read; export it as RGB."
        )


def interpret(pixels: NDArray, page: tifffile.TiffPage) -> Plane:
    """Apply what the photometric tag says, and find the alpha.

    Args:
        pixels: ``(H, W, samples)`` as stored.
        page: what holds for all of the series.

    Returns:
        Palettes looked up, white-is-zero changed over, inks and YCbCr as RGB.
    """
    kind, samples = int(page.photometric), pixels.shape[2]
    if kind == _PHOTOMETRIC.PALETTE and page.colormap is not None and samples == 1:
        numbers = pixels[..., 0].astype(np.uint8) if pixels.dtype == bool else pixels[..., 0]
        return Plane(np.moveaxis(page.colormap[:, numbers], 0, -1))
    if kind == _PHOTOMETRIC.MINISWHITE and pixels.dtype.kind in "bui":
        return Plane(_inverted(pixels, page.bitspersample))
    if kind == _PHOTOMETRIC.SEPARATED and samples == 4 and pixels.dtype.kind == "u":
        full = np.iinfo(pixels.dtype).max
        ink = pixels.astype(np.float32) / full
        return Plane(np.rint((1 - ink[..., :3]) * (1 - ink[..., 3:]) * full).astype(pixels.dtype))
    if kind == _PHOTOMETRIC.YCBCR and int(page.compression) not in _JPEG and samples == 3:
        return Plane(_rgb(pixels))
    if kind in (_PHOTOMETRIC.RGB, _PHOTOMETRIC.YCBCR):
        return Plane(pixels, "S" in page.axes and samples == 4)
    alpha = (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)  # else it is a channel like the first
    return Plane(pixels, "S" in page.axes and samples == 2 and page.extrasamples[:1] in [(kind,) for kind in alpha])


def _inverted(pixels: NDArray, bits: int) -> NDArray:
    """The least number for the greatest, of those that so many bits hold."""
    if pixels.dtype.kind == "u" and 0 < bits < 8 * pixels.dtype.itemsize:
        return np.array((1 << bits) - 1, pixels.dtype) - pixels
    return ~pixels


def _rgb(pixels: NDArray) -> NDArray[np.uint8]:
    """YCbCr of 8 bit to RGB, with the factors of ITU-R BT.601, which TIFF 6.0 (section 21) gives as defaults."""
    luminance, blue, red = np.moveaxis(pixels.astype(np.float32), -1, 0)
    blue, red = blue - 128, red - 128
    colours = luminance + 1.402 * red, luminance - 0.344136 * blue - 0.714136 * red, luminance + 1.772 * blue
    return np.clip(np.rint(np.stack(colours, axis=-1)), 0, 255).astype(np.uint8)
