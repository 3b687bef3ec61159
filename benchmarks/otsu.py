"""Otsu's threshold and a watershed on the distance to the border, done well: the method alone, quick to load.

``benchmarks/otsu_watershed.py`` chooses its settings and judges it; ``benchmarks/peers.py`` times it, and beside it the
same steps as scikit-image's own guide has them.
"""

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.color import rgb2hed
from skimage.feature import peak_local_max
from skimage.filters import threshold_local, threshold_otsu
from skimage.morphology import remove_small_holes, remove_small_objects
from skimage.segmentation import watershed

from segmentation.instance_maps import DecodeParams, decode
from segmentation.preprocessing import Preprocessing

if TYPE_CHECKING:  # the package would load PyTorch and Lightning
    from data_modules.pictures import Kind


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


def nuclei_bright(pixels: NDArray, kind: "Kind") -> NDArray[np.float32]:
    """Pixels ``(H, W, C)`` -> one channel in [0, 1], ``(H, W)``, in which nuclei are brighter than what is around them.

    Stained tissue is unmixed (haematoxylin of Ruifrok and Johnston 2001), a bright background is turned dark.
    """
    prepared = Preprocessing()(pixels)
    if kind == "tissue":
        stain = rgb2hed(prepared)[..., 0]
        low, high = np.percentile(stain, (0.5, 99.5))
        return np.clip((stain - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
    grey = prepared.mean(axis=2)
    return 1 - grey if kind == "brightfield" else grey


def segment(bright: NDArray[np.float32], settings: Settings) -> NDArray:
    """Labels ``(H, W)`` of what is brighter than the threshold, cut apart by watershed."""
    smooth = ndimage.gaussian_filter(bright, settings.sigma)
    level: float | NDArray = float(threshold_otsu(smooth)) if np.ptp(smooth) > 0 else 1.0
    if settings.local:
        level = (1 - settings.local) * level + settings.local * threshold_local(smooth, 101, method="gaussian")
    mask = remove_small_holes(smooth > level, max_size=60)
    return decode(mask[None].astype(np.float32), DecodeParams("instances", 0.5, *astuple(settings)[2:]))


def segment_with_scikit_image(bright: NDArray[np.float32], settings: Settings) -> NDArray:
    """Labels ``(H, W)`` by the usual recipe: markers at the peaks of the distance to the border, then flooding."""
    smooth = ndimage.gaussian_filter(bright, settings.sigma)
    level = float(threshold_otsu(smooth)) if np.ptp(smooth) > 0 else 1.0
    mask = remove_small_holes(remove_small_objects(smooth > level, max_size=settings.min_area), max_size=60)
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 1.0)
    peaks = peak_local_max(distance, min_distance=5, labels=ndimage.label(mask)[0], exclude_border=False)
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-distance, markers, mask=mask)
