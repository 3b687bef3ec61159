"""What is refused before memory or disk is taken for it."""

from segmentation.errors import ImageReadError

MAX_PIXELS = 400_000_000  # per page
MAX_PLANES = 1_000_000  # channels x z x t of one file
MAX_BLOCK = 4 * 2**30  # bytes, of a stack that can only be decoded as a whole
MAX_INFLATED = 128 * 2**20  # bytes, of a DICOM file that is deflated as a whole
MAX_MEMBERS = 10_000  # files in one zip
MAX_UNPACKED = 8 * 2**30  # bytes, of one zip's pictures
MAX_RATIO = 500  # of those to the bytes of the zip itself; deflate reaches 1,032 on nothing but zeros
FREE_RATIO = 2**30  # bytes up to which any ratio is fine: masks of few nuclei compress that well, and do no harm


def check_size(height: int, width: int, label: str, samples: int = 1) -> None:
    """Refuse a page of more than ``MAX_PIXELS``, or of more than 4 times as many values, going by its header.

    Args:
        height: in pixels.
        width: in pixels.
        label: the file, for the message.
        samples: values a pixel that are decoded at once.

    Raises:
        ImageReadError: naming the size and the limit.
    """
    if height * width > MAX_PIXELS:
        raise ImageReadError(
            f"{label}: {width:,} x {height:,} is {height * width / 1e6:,.0f} million pixels and the limit is "
            f"{MAX_PIXELS / 1e6:,.0f} million: crop it or export it at a lower resolution."
        )
    if height * width * samples > 4 * MAX_PIXELS:
        raise ImageReadError(
            f"{label}: {width:,} x {height:,} pixels of {samples:,} channels are "
            f"{height * width * samples / 1e6:,.0f} million values and the limit is {4 * MAX_PIXELS / 1e6:,.0f} "
            "million: export the channel that shows the nuclei alone."
        )


def check_planes(planes: int, label: str) -> None:
    """Refuse a file that claims more than ``MAX_PLANES``.

    Raises:
        ImageReadError: naming the number and the limit.
    """
    if planes > MAX_PLANES:
        raise ImageReadError(
            f"{label}: its metadata speak of {planes:,} planes and the limit is {MAX_PLANES:,}: export it again, in "
            "several files."
        )


def check_block(size: int, label: str) -> None:
    """Refuse a stack of more than ``MAX_BLOCK`` bytes that can only be decoded as a whole.

    Raises:
        ImageReadError: naming the size and the limit.
    """
    if size > MAX_BLOCK:
        raise ImageReadError(
            f"{label}: its {size / 2**30:,.1f} GiB can only be decoded in one go and the limit is "
            f"{MAX_BLOCK / 2**30:,.0f} GiB: export it with one plane a page."
        )
