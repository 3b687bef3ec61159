"""The directories of a TIFF file, counted before tifffile reads them: it trusts that they are few, and end.

Where all pages are alike, tifffile takes 0.05 ms for each. Where they may differ it takes 0.5 ms, compares each with
all before it, and follows directories inside directories wherever they lead; and a chain that leads back into itself it
follows until memory ends.
"""

import struct
from collections.abc import Iterator

import tifffile
from tifffile.tifffile import shaped_description_metadata

from segmentation.errors import ImageReadError
from segmentation.limits import check_planes

MAX_SEPARATE = 4000  # directories that are read one by one; scanners write some fifty
_SUB_IFDS = 330
_OFFSETS = {4: "I", 13: "I", 16: "Q", 18: "Q"}  # types of numbers that are offsets
_MOST_TAGS = 4096  # of one directory; tifffile takes more for damage
# By tifffile's names, the kinds of files whose pages it reads one by one.
_ONE_BY_ONE = ("avs", "bif", "eer", "fluoview", "mdgel", "ndpi", "philips", "qpi", "scn", "sis", "svs")


class BoundedTiff(tifffile.TiffFile):  # type: ignore[misc]  # final, but nothing else can stop it
    """tifffile's reader, which asks how many directories there are before it reads them one by one."""

    label = "picture"

    def check_directories(self, label: str) -> None:
        """Refuse directories without end.

        Args:
            label: the file, for messages.

        Raises:
            ImageReadError: too many, or some that lead back to themselves.
        """
        self.label = label
        seen: set[int] = set()
        inside: list[int] = []
        following = self.pages.first.offset if self.pages._offsets else 0
        while following:
            self._visit(following, seen)
            check_planes(len(seen), label)
            sub, following = self._read(following)
            inside += sub
            self._check_separate(len(inside))
        chain = len(seen)
        if any(getattr(self, f"is_{kind}") for kind in _ONE_BY_ONE):
            self._check_separate(chain)
        while inside:
            offset = inside.pop()
            self._visit(offset, seen)
            inside += self._read(offset)[0]
            self._check_separate(len(seen) - chain + len(inside))

    def _series_generic(self) -> list[tifffile.TiffPageSeries] | None:
        self._check_separate(len(self.pages))
        return super()._series_generic()

    def _series_shaped(self) -> list[tifffile.TiffPageSeries] | None:
        self._check_separate(len(self.pages) - self._first_shaped())
        return super()._series_shaped()

    def _first_shaped(self) -> int:
        """Pages of the first picture, as the file describes it."""
        first = self.pages.first
        try:
            shape = shaped_description_metadata(first.shaped_description or "")["shape"]
            return int(_product(shape) // _product(first.shape))
        except (ArithmeticError, KeyError, TypeError, ValueError):
            return 1  # which tifffile will not understand either

    def _visit(self, offset: int, seen: set[int]) -> None:
        if offset in seen:
            raise ImageReadError(
                f"{self.label}: the file is damaged: its directories lead back to themselves. Export it again."
            )
        seen.add(offset)

    def _check_separate(self, count: int) -> None:
        if count > MAX_SEPARATE:
            raise ImageReadError(
                f"{self.label}: the TIFF file holds {count:,} separate pages, more than the {MAX_SEPARATE:,} that are "
                "read where they are not all alike: export them as one stack, or in several files."
            )

    def _read(self, offset: int) -> tuple[list[int], int]:
        """Offsets of the directories inside the one at ``offset``, and that of the next one; 0 for none."""
        form, file = self.tiff, self.filehandle
        if not 0 < offset < file.size:
            return [], 0
        file.seek(offset)
        try:
            (count,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
            if count > _MOST_TAGS:
                return [], 0
            block = file.read(count * form.tagsize + form.offsetsize)
            (following,) = struct.unpack(form.offsetformat, block[-form.offsetsize :])
        except struct.error:  # the file ends here
            return [], 0
        return list(self._inside(block[: -form.offsetsize])), following

    def _inside(self, block: bytes) -> Iterator[int]:
        form, file = self.tiff, self.filehandle
        if struct.pack(form.byteorder + "H", _SUB_IFDS) not in block:  # most have none, and there may be a million
            return
        for at in range(0, len(block), form.tagsize):
            code, kind = struct.unpack_from(form.byteorder + "HH", block, at)
            if code != _SUB_IFDS or kind not in _OFFSETS:
                continue
            (count,) = struct.unpack_from(form.offsetformat, block, at + 4)
            self._check_separate(count)
            letter = _OFFSETS[kind]
            values = block[at + 4 + form.offsetsize : at + form.tagsize]
            size = count * struct.calcsize("<" + letter)
            if size > len(values):
                file.seek(struct.unpack(form.offsetformat, values)[0])
                values = file.read(size)
            whole = len(values) // struct.calcsize("<" + letter)
            numbers = struct.unpack_from(f"{form.byteorder}{min(count, whole)}{letter}", values)
            yield from (number for number in numbers if 8 <= number < file.size)


def _product(shape: tuple[int, ...]) -> int:
    size = 1
    for extent in shape:
        size *= int(extent)
    return size
