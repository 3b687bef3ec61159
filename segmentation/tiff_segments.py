"""The strips and tiles of a TIFF page, looked at before tifffile decodes them: it makes zeros of what is missing."""

from math import prod

import tifffile

from segmentation.codestream import coded_size
from segmentation.errors import ImageReadError

_JPEG = (6, 7, 33007, 34892)
_PIXEL_CODECS = (22610, 33003, 33004, 33005, 34712, 34887, 34927, 34933, 34934, 50001, 50002, 52546)  # see codestream
_BYTE_CODECS = (1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 34926, 50000, 50013)  # tifffile bounds what comes out of them
_TILE = 2**24  # values of a tile that is larger than its page, of 4,096 x 4,096 pixels
_HEAD = 4096  # bytes in which nearly all data say their size


def check_compression(page: tifffile.TiffPage, label: str) -> None:
    """Refuse compressions that cannot be decoded, or not within bounds.

    Raises:
        ImageReadError: naming the compression.
    """
    number = int(page.compression)
    if number not in (*_JPEG, *_PIXEL_CODECS, *_BYTE_CODECS):
        known = number in {int(each) for each in tifffile.COMPRESSION}
        named = f"{number} ({tifffile.COMPRESSION(number).name})" if known else f"{number}"
        raise ImageReadError(
            f"{label}: TIFF compression {named} cannot be read here; export it with deflate, LZW or no compression."
        )


def check_segments(page: tifffile.TiffPage | tifffile.TiffFrame, label: str) -> tuple[str, ...]:
    """Check that a page's strips or tiles are all in the file and are as large as the page says.

    Args:
        page: of a file that is open.
        label: the file, for messages.

    Returns:
        A note if the file leaves tiles out, as scanners do where a slide is empty.

    Raises:
        ImageReadError: strips are missing or reach beyond the file's end, or their data claim another size.
    """
    key = _keyframe(page)
    expected = prod(key.chunked) if key.chunked else 1
    offsets, counts = tuple(page.dataoffsets), tuple(page.databytecounts)
    if key.is_contiguous and expected == 1:
        return ()  # read in one piece, whose length tifffile checks
    kind = "tiles" if key.is_tiled else "strips"
    if prod(key.chunks) > max(_TILE, 4 * prod(key.shape)):  # decoders take memory for all of a tile at once
        raise ImageReadError(
            f"{label}: the file is damaged: its {kind} claim {prod(key.chunks):,} values each where the page has "
            f"{prod(key.shape):,}; export it again."
        )
    stored = min(len(offsets), len(counts))
    if stored < expected and not (key.is_contiguous and stored == 1):
        raise ImageReadError(
            f"{label}: the file is damaged: it lists {stored:,} of the {expected:,} {kind} that its size asks for; "
            "export it again."
        )
    end = page.parent.filehandle.size
    for offset, count in zip(offsets, counts, strict=False):
        if offset + count > end and not key.is_contiguous:
            raise ImageReadError(
                f"{label}: the file is damaged or cut short: its {kind} reach to byte {offset + count:,} and it has "
                f"{end:,}. Copy or export it again from its source."
            )
        if count and int(key.compression) in (*_JPEG, *_PIXEL_CODECS):
            _check_coded(page, offset, count, label)
    absent = sum(not count or not offset for offset, count in zip(offsets[:expected], counts, strict=False))
    if not absent:
        return ()
    if not key.is_tiled or absent == expected:
        raise ImageReadError(f"{label}: the file is damaged: {absent:,} of its {expected:,} {kind} are empty.")
    return (f"{absent:,} of its {expected:,} tiles are not stored and are read as {key.nodata:g}.",)


def _check_coded(page: tifffile.TiffPage | tifffile.TiffFrame, offset: int, count: int, label: str) -> None:
    key, file = _keyframe(page), page.parent.filehandle
    if key.jpegheader is not None:
        return  # Hamamatsu's format, whose tiles are parts of one JPEG without a header of their own
    size = None
    for length in (min(_HEAD, count), count):
        file.seek(offset)
        if size is None:
            size = coded_size(file.read(length))
    if size is None:
        raise ImageReadError(f"{label}: the file is damaged: compressed data do not say what size they have.")
    height, width = (key.tilelength, key.tilewidth) if key.is_tiled else (key.rowsperstrip, key.imagewidth)
    bits = 8 * key.dtype.itemsize if key.dtype else 64
    # A little more than a tile is padding, which is cut off; more bits than a number has would be cut as well.
    if size.height * size.width > 2 * height * width or size.bits > bits:
        claims = f"{size.width:,} x {size.height:,}" + (f" of {size.bits} bit" if size.bits else "")
        raise ImageReadError(
            f"{label}: the file is damaged: compressed data claim {claims} where the header says {width:,} x "
            f"{height:,} of {bits} bit; export it again."
        )


def _keyframe(page: tifffile.TiffPage | tifffile.TiffFrame) -> tifffile.TiffPage:
    key = page.keyframe
    assert key is not None  # only while tifffile loads a file
    return key
