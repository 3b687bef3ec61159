"""How large a pixel is."""

from typing import NamedTuple

from segmentation.errors import ParameterError


class PixelSize(NamedTuple):
    """Micrometres a pixel, down and across."""

    y: float
    x: float


def check_pixel_size(size: PixelSize) -> PixelSize:
    """``size`` itself.

    Raises:
        ParameterError: unless both are above 0 and at most 10,000 micrometres.
    """
    if not (0 < size.y <= 1e4 and 0 < size.x <= 1e4):
        raise ParameterError(
            f"pixel size {size.y:g} x {size.x:g} micrometres: both are above 0 and at most 10,000; light microscopes "
            "have 0.05 to 5."
        )
    return size
