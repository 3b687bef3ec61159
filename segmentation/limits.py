"""What is refused before memory is taken for it."""

from segmentation.errors import ImageReadError

MAX_PIXELS = 400_000_000  # per page


def check_size(height: int, width: int, label: str) -> None:
    """Refuse a page of more than ``MAX_PIXELS``, going by its header.

    Raises:
        ImageReadError: naming the size and the limit.
    """
    if height * width > MAX_PIXELS:
        raise ImageReadError(
            f"{label}: {width:,} x {height:,} is {height * width / 1e6:,.0f} million pixels and the limit is "
            f"{MAX_PIXELS / 1e6:,.0f} million: crop it or export it at a lower resolution."
        )
