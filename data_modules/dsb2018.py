"""The 2018 Data Science Bowl's stage 1 training pictures (BBBC038; Caicedo et al., Nature Methods 16, 2019; CC0)."""

import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from data_modules.archive import ArchiveMember, Members, open_members
from data_modules.download import download
from data_modules.groups import SeamFinder
from data_modules.label_images import combine_masks
from data_modules.pictures import LabelledPicture, PictureInfo, PictureSource, kind_of_picture
from segmentation.errors import DataError, NucleoscopeError
from segmentation.image_io import read_image

URL = "https://data.broadinstitute.org/bbbc/BBBC038/stage1_train.zip"
OFFICIAL_COUNTS = (664, 670)  # with the community's fixes, and as first published
_CACHE_FORMAT = 1


class Dsb2018(PictureSource):
    """The official zip or its unpacked folder, prepared once into a compact cache.

    Args:
        root: the zip or folder; by default the archive is downloaded to the user's data folder.
        cache: where the prepared pictures go; by default the user's cache folder.
        complete: insist on the official 664 or 670 pictures; turn it off for a part of them.

    Overlapping masks: the first by file name keeps the pixel. Groups are found by :mod:`data_modules.groups`.
    """

    def __init__(self, root: str | None = None, cache: str | None = None, complete: bool = True) -> None:
        self.root = Path(root) if root else None
        self.cache = Path(cache) if cache else Path(platformdirs.user_cache_dir("nucleoscope"))
        self.complete = complete
        self._folder: Path | None = None
        self._manifest: list[dict[str, str | int]] = []

    @property
    def description(self) -> str:
        """Source and licence."""
        fixed = ", with the community's corrections" if len(self._manifest) == OFFICIAL_COUNTS[0] else ""
        return f"2018 Data Science Bowl, stage 1 (BBBC038, CC0){fixed}"

    def prepare(self) -> None:
        """Download if no root was named, check every file, and write the cache.

        Raises:
            DataError: naming the first file that is missing, damaged or of another size.
        """
        root = self.root or download(URL, Path(platformdirs.user_data_dir("nucleoscope")) / "stage1_train.zip")
        with open_members(root) as members:
            folder = self._cache_folder(members)
            if (folder / "manifest.json").exists():
                return
            shutil.rmtree(folder, ignore_errors=True)  # without its manifest it is of no use
            folder.parent.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=".dsb2018-", dir=folder.parent))
            try:
                self._convert(members, root, fresh)
                _move_into_place(fresh, folder)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)

    def setup(self) -> None:
        """Read the cache's manifest.

        Raises:
            DataError: if ``prepare`` has not run on this machine.
        """
        if self._manifest:
            return
        root = self.root or Path(platformdirs.user_data_dir("nucleoscope")) / "stage1_train.zip"
        with open_members(root) as members:
            folder = self._cache_folder(members)
        path = folder / "manifest.json"
        if not path.exists():
            raise DataError(f"{path}: not there; call prepare() first, which writes it.")
        self._folder, self._manifest = folder, json.loads(path.read_text(encoding="utf-8"))["pictures"]

    @property
    def infos(self) -> list[PictureInfo]:
        """One entry a picture, sorted by name (the official ImageId)."""
        return [PictureInfo(str(e["name"]), e["kind"], str(e["group"])) for e in self._manifest]  # type: ignore[arg-type]

    def load(self, index: int) -> LabelledPicture:
        """Open a prepared picture."""
        entry, folder = self._manifest[index], self._folder
        assert folder is not None  # setup() filled both
        with Image.open(folder / f"{entry['name']}.png") as file:
            pixels = np.asarray(file)
        with Image.open(folder / f"{entry['name']}_labels.png") as file:
            labels = np.asarray(file).astype(np.int32)
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
        return LabelledPicture(pixels, labels, str(entry["name"]), entry["kind"])  # type: ignore[arg-type]

    def _cache_folder(self, members: Members) -> Path:
        listing = "\n".join(f"{member.name} {member.stamp}" for member in members.listing)
        digest = hashlib.sha256(f"{_CACHE_FORMAT} {self.complete}\n{listing}".encode()).hexdigest()
        return self.cache / f"dsb2018-{digest[:12]}"

    def _convert(self, members: Members, root: Path, folder: Path) -> None:
        pictures, masks = _sort_members(members.listing)
        if not pictures:
            raise DataError(f"{root}: no ID/images/ID.png inside; give the official stage1_train.")
        if self.complete and len(pictures) not in OFFICIAL_COUNTS:
            raise DataError(
                f"{root}: {len(pictures)} pictures, and the official archive has 664 or 670: it is incomplete; "
                "download it again, or set complete to false to use what is there."
            )
        seams, entries = SeamFinder(), []
        for name in tqdm(sorted(pictures), desc="preparing pictures", unit="picture"):
            if not masks[name]:
                raise DataError(f"{root}: picture {name} has no masks in {name}/masks/; download the archive again.")
            pixels = _read_picture(members.read(pictures[name]), pictures[name].name)
            opened = ((Path(m.name).name, _read_mask(members.read(m), m.name)) for m in masks[name])
            labels = combine_masks(opened, pixels.shape[:2], name)
            seams.add(pixels)
            Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(folder / f"{name}.png")
            Image.fromarray(labels.astype(np.uint16)).save(folder / f"{name}_labels.png")
            entries.append({"name": name, "kind": kind_of_picture(pixels), "nuclei": int(labels.max())})
        for entry, group in zip(entries, seams.groups(), strict=True):
            entry["group"] = f"field{group}"
        text = json.dumps({"source": root.name, "pictures": entries}, indent=1)
        (folder / "manifest.json").write_text(text, encoding="utf-8")


def _sort_members(listing: list[ArchiveMember]) -> tuple[dict[str, ArchiveMember], dict[str, list[ArchiveMember]]]:
    pictures: dict[str, ArchiveMember] = {}
    masks: dict[str, list[ArchiveMember]] = defaultdict(list)
    for member in sorted(listing, key=lambda m: m.name):
        parts = Path(member.name).parts
        if len(parts) < 3 or parts[-1].startswith(".") or not parts[-1].lower().endswith(".png"):
            continue
        image_id, kind = parts[-3:-1]
        if kind == "images":
            pictures[image_id] = member
        elif kind == "masks":
            masks[image_id].append(member)
    return pictures, masks


def _move_into_place(fresh: Path, folder: Path) -> None:
    try:
        os.replace(fresh, folder)
    except OSError:
        if not (folder / "manifest.json").exists():  # else another process was faster, and its cache is as good
            raise


def _read_picture(data: bytes, name: str) -> NDArray[np.uint8]:
    """``(H, W, C)``; colour pictures that hold only grey become one channel."""
    try:
        pixels = read_image(data).pixels
    except NucleoscopeError as error:
        raise DataError(f"{name}: the picture cannot be used ({error}); download the archive again.") from error
    if pixels.dtype != np.uint8:
        raise DataError(
            f"{name}: {pixels.dtype} pixels, and the official pictures have 8 bits; give other data as an ImageFolder."
        )
    return pixels[..., :1] if (pixels == pixels[..., :1]).all() else pixels


def _read_mask(data: bytes, name: str) -> NDArray:
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as file:
            return np.asarray(file.convert("L"))
    except (OSError, SyntaxError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{name}: the mask is damaged ({error}); download the archive again.") from error
