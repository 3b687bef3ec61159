"""A user's own pictures and masks, in the forms people keep them."""

import re
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_modules.groups import SeamFinder
from data_modules.label_images import combine_masks, labels_from_mask
from data_modules.pictures import LabelledPicture, PictureInfo, PictureSource, kind_of_picture
from segmentation.errors import DataError, NucleoscopeError, ParameterError
from segmentation.image_io import SUFFIXES, read_image
from segmentation.truth_io import as_stored

MASK_ENDINGS = ("", "_mask", "_masks", "_label", "_labels", "_seg")
_MAX_LISTED = 20


class ImageFolder(PictureSource):
    r"""``root/images/NAME.*`` with ``root/masks/NAME.*``, or ``root/masks/NAME/*`` with one file per nucleus.

    A mask file may end in _mask, _masks, _label, _labels or _seg. One with two values is binary: its connected
    components are the nuclei. One with more values is a label image. Of overlapping one-nucleus masks, the first by
    file name keeps the pixel.

    Args:
        root: folder that holds ``images`` and ``masks``.
        one_object: each mask is one object, however many parts it has (a lesion, an organ); train with
            ``--model.decode.mode mask``.
        group_pattern: regular expression with one group, e.g. ``"(slide\d+)_"``; pictures whose names give the same
            text never part between training and validation. Without it, pictures cut from one field are found by their
            seams.
    """

    def __init__(self, root: str, one_object: bool = False, group_pattern: str | None = None) -> None:
        self.root, self.one_object = Path(root), one_object
        try:
            self._pattern = re.compile(group_pattern) if group_pattern else None
        except re.error as error:
            raise ParameterError(f"group_pattern={group_pattern!r}: no regular expression ({error}).") from error
        if self._pattern is not None and self._pattern.groups != 1:
            raise ParameterError(f"group_pattern={group_pattern!r}: it needs exactly one group in parentheses.")
        self._pairs: list[tuple[Path, Path]] = []
        self._infos: list[PictureInfo] = []

    def setup(self) -> None:
        """Open every pair once, so that what does not fit is known before training starts.

        Raises:
            DataError: one report of every pair that does not fit.
        """
        if self._infos:
            return
        pairs, problems = self._pair_up()
        infos, seams = [], SeamFinder()
        for image, mask in tqdm(pairs, desc="checking pictures", unit="picture", disable=not pairs):
            try:
                picture = self._read(image, mask)
            except NucleoscopeError as error:
                problems.append(str(error))
                continue
            seams.add(picture.pixels)
            infos.append(PictureInfo(picture.name, picture.kind, self._group(picture.name, problems)))
        if problems:
            count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
            shown = "\n".join(f"  - {problem}" for problem in problems[:_MAX_LISTED])
            more = f"\n  and {len(problems) - _MAX_LISTED} more" if len(problems) > _MAX_LISTED else ""
            raise DataError(f"{self.root}: {count}; mend or remove these:\n{shown}{more}")
        if self._pattern is None:
            groups = seams.groups()
            infos = [PictureInfo(i.name, i.kind, f"field{g}") for i, g in zip(infos, groups, strict=True)]
        self._pairs, self._infos = pairs, infos

    @property
    def infos(self) -> list[PictureInfo]:
        """One entry a picture, sorted by name."""
        return self._infos

    def load(self, index: int) -> LabelledPicture:
        """Open one picture with its labels."""
        return self._read(*self._pairs[index])

    def _pair_up(self) -> tuple[list[tuple[Path, Path]], list[str]]:
        images_folder, masks_folder = self.root / "images", self.root / "masks"
        for folder in (images_folder, masks_folder):
            if not folder.is_dir():
                raise DataError(f"{folder}: no such folder; put pictures in images/ and their masks in masks/.")
        images = sorted(p for p in images_folder.iterdir() if p.is_file() and not _hidden(p))
        if not images:
            raise DataError(f"{images_folder}: it holds no pictures; put PNG, JPEG or TIFF files there.")
        masks = defaultdict[str, list[Path]](list)
        for path in sorted(p for p in masks_folder.iterdir() if not _hidden(p)):
            masks[path.name if path.is_dir() else path.stem].append(path)
        pairs, problems, seen = [], [], dict[str, Path]()
        for image in images:
            if image.stem in seen:
                problems.append(f"images/{image.name} and images/{seen[image.stem].name} share a name; rename one")
                continue
            seen[image.stem] = image
            found = [mask for end in MASK_ENDINGS for mask in masks.pop(image.stem + end, [])]
            if len(found) == 1:
                pairs.append((image, found[0]))
            elif found:
                names = ", ".join(mask.name for mask in found)
                problems.append(f"images/{image.name} has several masks ({names}); keep one")
            else:
                problems.append(f"images/{image.name} has no mask; add masks/{image.stem}.png")
        problems += [
            f"masks/{mask.name} has no picture; add it to images/ or remove the mask"
            for unpaired in masks.values()
            for mask in unpaired
        ]
        return pairs, problems

    def _read(self, image: Path, mask: Path) -> LabelledPicture:
        pixels = read_image(image).pixels
        shape = (pixels.shape[0], pixels.shape[1])
        if mask.is_dir():
            files = sorted(p for p in mask.iterdir() if p.is_file() and not _hidden(p))
            labels = combine_masks(((f.name, _read_mask(f)[..., 0]) for f in files), shape, image.name)
        else:
            labels = labels_from_mask(_read_mask(mask), one_object=self.one_object, owner=mask.name)
            if labels.shape != shape:
                raise DataError(
                    f"masks/{mask.name} is {labels.shape[1]} x {labels.shape[0]} and images/{image.name} "
                    f"{shape[1]} x {shape[0]}; give both one size"
                )
        if self.one_object:
            labels = np.minimum(labels, 1)
        return LabelledPicture(pixels, labels, image.stem, kind_of_picture(pixels))

    def _group(self, name: str, problems: list[str]) -> str:
        if self._pattern is None:
            return name
        found = self._pattern.search(name)
        if found is None:
            problems.append(f"images/{name} does not match group_pattern {self._pattern.pattern!r}")
            return name
        return found.group(1)


def _read_mask(path: Path) -> NDArray:
    if path.suffix.lower() in (".jpg", ".jpeg"):  # its artefacts would pass for hundreds of tiny labels
        raise DataError(f"{path.parent.name}/{path.name}: JPEG changes the numbers of a mask; save it as PNG or TIFF")
    mask = read_image(path)
    if mask.notes:  # fine for a picture, but a mask whose transparent pixels are filled in is another mask
        raise DataError(
            f"{path.parent.name}/{path.name}: not plain grey numbers. {' '.join(mask.notes)} Save the mask without "
            "transparency and with one number per pixel"
        )
    return as_stored(path.read_bytes(), mask.pixels)


def _hidden(path: Path) -> bool:
    return path.name.startswith(".") or not (path.is_dir() or path.suffix.lower() in SUFFIXES)
