"""Baseline without learning: Otsu's threshold and a watershed on the distance to the border, done well.

Stained tissue is unmixed first (haematoxylin of Ruifrok and Johnston 2001), a bright background is turned dark, and the
picture is smoothed. Its four settings are chosen on the validation pictures, kind by kind, as our own decoding is.

Run: ``python -m benchmarks.otsu_watershed [--root ARCHIVE] [--fold-table folds.csv]``.
"""

import itertools
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.color import rgb2hed
from skimage.filters import threshold_local, threshold_otsu
from skimage.morphology import remove_small_holes

from benchmarks.held_out import arguments, judge, pictures, print_head
from data_modules.pictures import KINDS, LabelledPicture
from segmentation.instance_maps import DecodeParams, decode
from segmentation.preprocessing import Preprocessing
from segmentation.scores import kaggle_score


@dataclass(frozen=True)
class Settings:
    """What is chosen on validation.

    Args:
        sigma: smoothing before the threshold, in pixels.
        local: 0 for one threshold, else the share of it that each neighbourhood of 101 pixels sets for itself.
        separation: see :class:`segmentation.DecodeParams`.
        min_area: in pixels.
    """

    sigma: float = 1.0
    local: float = 0.0
    separation: float = 0.75
    min_area: int = 24


GRID = [Settings(*values) for values in itertools.product((1.0, 2.0), (0.0, 0.5), (0.5, 1.0, 2.0), (24, 60))]


def nuclei_bright(picture: LabelledPicture) -> NDArray[np.float32]:
    """One channel in [0, 1], ``(H, W)``, in which nuclei are brighter than what is around them."""
    prepared = Preprocessing()(picture.pixels)
    if picture.kind == "tissue":
        stain = rgb2hed(prepared)[..., 0]
        low, high = np.percentile(stain, (0.5, 99.5))
        return np.clip((stain - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
    grey = prepared.mean(axis=2)
    return 1 - grey if picture.kind == "brightfield" else grey


def segment(bright: NDArray[np.float32], settings: Settings) -> NDArray:
    """Labels ``(H, W)`` of what is brighter than the threshold, cut apart by watershed."""
    smooth = ndimage.gaussian_filter(bright, settings.sigma)
    level: float | NDArray = float(threshold_otsu(smooth)) if np.ptp(smooth) > 0 else 1.0
    if settings.local:
        level = (1 - settings.local) * level + settings.local * threshold_local(smooth, 101, method="gaussian")
    mask = remove_small_holes(smooth > level, max_size=60)
    return decode(mask[None].astype(np.float32), DecodeParams("instances", 0.5, *astuple(settings)[2:]))


def main() -> None:
    """Choose the settings on validation, then print the held-out row."""
    options = arguments(__doc__).parse_args()
    chosen = dict.fromkeys(KINDS, Settings())
    validation = pictures(options, "validation")
    for kind in KINDS:
        of_kind = [(nuclei_bright(picture), picture.labels) for picture in validation if picture.kind == kind]
        if of_kind:
            scores = [np.mean([kaggle_score(segment(grey, s), truth) for grey, truth in of_kind]) for s in GRID]
            chosen[kind] = GRID[int(np.argmax(scores))]
        print(f"{kind}: {chosen[kind]}")
    held_out = pictures(options, "test")
    print_head(held_out, "held-out")
    judge("Otsu and watershed", held_out, lambda p: segment(nuclei_bright(p), chosen[p.kind]))


if __name__ == "__main__":
    main()
