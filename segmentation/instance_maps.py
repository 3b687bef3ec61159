"""What the network is taught (encode) and how its answer becomes labels (decode), side by side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segmentation.errors import ParameterError
from segmentation.watershed import split_by_landscape

MapName = Literal["foreground", "boundary", "distance", "flow_y", "flow_x", "offset_y", "offset_x"]
FOREGROUND: tuple[MapName, ...] = ("foreground",)
# What decode can cut along, best first: a separation to start from, and the largest that makes a difference. By the
# foreground alone: pixels, and whole components to start from.
_SEPARATION: dict[MapName, tuple[float, float]] = {"distance": (0.1, 0.5), "foreground": (0.0, 5.0)}
OFFSET_RANGE = 32.0  # pixels; longer ways to the centre are walked in several steps


@dataclass(frozen=True)
class DecodeParams:
    """How foreground probability becomes labels.

    Args:
        mode: "instances" numbers every nucleus; "mask" gives one label to all foreground (a lesion, an organ).
        threshold: foreground is where the probability is at least this, in (0, 1).
        separation: clumps are cut where what the nuclei are parted by (their relative distance to the border in
            [0, 1], or if the network predicts foreground alone, the distance in pixels) has maxima at least this much
            higher than the saddle between them; 0 keeps every connected component whole. Larger values cut less.
        min_area: smaller objects are dropped, in pixels.
        max_area: larger objects are dropped, in pixels; 0 keeps all.
        drop_border: drop objects that the picture's border cuts, whose size and shape are unknown.
        min_probability: objects whose pixels' mean probability is below this are dropped, in [0, 1); 0 keeps all.

    Raises:
        ParameterError: for a value outside its range.
    """

    mode: Literal["instances", "mask"] = "instances"
    threshold: float = 0.5
    separation: float = 0.0
    min_area: int = 12
    max_area: int = 0
    drop_border: bool = False
    min_probability: float = 0.0

    def __post_init__(self) -> None:
        if self.mode not in ("instances", "mask"):
            raise ParameterError(f"mode={self.mode!r}: choose 'instances' (every nucleus) or 'mask' (one object).")
        if not 0 < self.threshold < 1:
            raise ParameterError(f"threshold={self.threshold}: a probability strictly between 0 and 1, e.g. 0.5.")
        if not 0 <= self.separation < float("inf"):
            raise ParameterError(f"separation={self.separation}: a height, 0 (never cut) or more.")
        if not self.min_area >= 0:  # so put, NaN is refused too
            raise ParameterError(f"min_area={self.min_area}: an area in pixels, 0 (keep all) or more.")
        if self.max_area != 0 and not self.max_area >= max(self.min_area, 1):
            raise ParameterError(
                f"max_area={self.max_area}: an area in pixels, at least min_area ({self.min_area}), or 0 (keep all)."
            )

        if not 0 <= self.min_probability < 1:
            raise ParameterError(
                f"min_probability={self.min_probability}: a mean probability, 0 (keep all) or more, below 1."
            )


def known_names(names: Sequence[str]) -> bool:
    """Whether labels can be decoded from maps of these names: known ones, foreground among them, none twice."""
    return set(names) <= set(get_args(MapName)) and "foreground" in names and len(set(names)) == len(names)


def cut_along(names: Sequence[MapName]) -> MapName:
    """The map along which :func:`decode` parts nuclei: the first of those that it can use."""
    return next(name for name in _SEPARATION if name in names)


def default_params(names: Sequence[MapName]) -> DecodeParams:
    """Where to start from with a network that nobody has tuned the parameters of."""
    return DecodeParams(separation=_SEPARATION[cut_along(names)][0])


def separation_limit(names: Sequence[MapName]) -> float:
    """The end of the scale of :attr:`DecodeParams.separation`, for who offers one."""
    return _SEPARATION[cut_along(names)][1]


def encode(labels: NDArray, names: Sequence[MapName] = FOREGROUND) -> NDArray[np.float32]:
    """Labels ``(H, W)``, 0 the background -> training targets ``(maps, H, W)`` in [0, 1], in the order of ``names``.

    Decoding uses foreground, and distance where there is one; ``benchmarks/decoders.py`` compares the others with it.

    - foreground: 1 on nuclei.
    - boundary: 1 on a nucleus' outermost pixels, where it meets the background or another nucleus.
    - distance: to the nucleus' own boundary, divided by its largest there; 0 on the background.
    - flow_y, flow_x: the direction of the nucleus' centre, a vector of length 1 or less; (v + 1) / 2.
    - offset_y, offset_x: the way to the centre in pixels, cut off at 32; (v / 32 + 1) / 2.
    """
    foreground = labels > 0
    maps: dict[str, NDArray] = {"foreground": foreground}
    if "boundary" in names or "distance" in names:
        edge = boundary(labels)
        maps["boundary"] = edge
        inside = cv2.distanceTransform((foreground & ~edge).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        # Where nothing bounds the nucleus (a crop wholly inside one), the distance is infinite; some builds of OpenCV
        # say 1e19 and some the diagonal. No true one is longer than the diagonal.
        inside = np.minimum(inside, math.hypot(*labels.shape))
        # OpenCV's distances differ in the last bits from call to call, and a resumed training must not. Squared, the
        # true ones are whole numbers.
        inside = np.sqrt(np.rint(np.square(inside)))
        maps["distance"] = _relative_depth(labels, np.where(foreground, inside + 1, 0))
    if any(name.startswith(("flow", "offset")) for name in names):
        way = _way_to_centre(labels)
        unit = way / np.maximum(np.hypot(*way), 1)
        maps["flow_y"], maps["flow_x"] = (unit + 1) / 2
        maps["offset_y"], maps["offset_x"] = (np.clip(way / OFFSET_RANGE, -1, 1) + 1) / 2
    return np.stack([maps[name].astype(np.float32) for name in names])


def boundary(labels: NDArray) -> NDArray[np.bool_]:
    """The outermost pixels of every object; the border of the picture is no boundary."""
    values = labels.astype(np.float32)  # exact up to 16 million objects; OpenCV has no filters for int32
    square = np.ones((3, 3), np.uint8)
    return (labels > 0) & ((cv2.dilate(values, square) != values) | (cv2.erode(values, square) != values))


def touching(labels: NDArray, reach: int = 2) -> NDArray[np.bool_]:
    """Pixels within ``reach`` of a place where two nuclei touch, or nearly so."""
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    values = labels.astype(np.float32)
    highest = cv2.dilate(values, square)
    nothing = np.float32(values.max(initial=0) + 1)  # above every number, so that the erosion sees nuclei alone
    lowest = cv2.erode(np.where(labels > 0, values, nothing), square)
    return (highest > 0) & (lowest != highest)


def _relative_depth(labels: NDArray, depth: NDArray) -> NDArray[np.float32]:
    index = _compact(labels)
    deepest = np.ones(int(index.max(initial=0)) + 1, np.float32)
    np.maximum.at(deepest, index.ravel(), depth.ravel().astype(np.float32))
    return depth / deepest[index]


def _compact(labels: NDArray) -> NDArray:
    """The same objects under numbers small enough to index with."""
    if int(labels.max(initial=0)) <= 4 * labels.size:
        return labels
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape)


def _way_to_centre(labels: NDArray) -> NDArray[np.float32]:
    """From every pixel of a nucleus to its centroid, or its own pixel nearest to that: ``(2, H, W)`` in pixels."""
    way = np.zeros((2, *labels.shape), np.float32)
    number = _compact(labels)
    rows, columns = np.nonzero(number)
    index = number[rows, columns]
    areas = np.maximum(np.bincount(index), 1)
    centre = np.stack([np.bincount(index, weights=place) / areas for place in (rows, columns)])
    nearest = np.rint(centre).astype(np.intp)
    for lost in np.unique(index[number[nearest[0, index], nearest[1, index]] != index]):
        own = np.flatnonzero(index == lost)
        away = np.hypot(rows[own] - centre[0, lost], columns[own] - centre[1, lost])
        centre[:, lost] = rows[own][away.argmin()], columns[own][away.argmin()]
    way[0, rows, columns] = centre[0, index] - rows
    way[1, rows, columns] = centre[1, index] - columns
    return way


def decode(
    maps: NDArray, params: DecodeParams, names: Sequence[MapName] = FOREGROUND
) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """The network's maps ``(maps, H, W)`` in [0, 1] -> labels ``(H, W)``, 1..n without gaps, 0 the background.

    uint16 up to 65,535 objects, else uint32. Diagonal neighbours belong together (8-connectivity).
    """
    named = dict(zip(names, maps, strict=True))
    mask = named["foreground"] >= params.threshold
    labels = mask.astype(np.int32) if params.mode == "mask" else _instances(named, mask, params.separation)
    areas = np.bincount(labels.ravel())
    keep = areas >= max(params.min_area, 1)
    if params.min_probability:
        keep &= total_probability(labels, named["foreground"], len(areas)) >= params.min_probability * areas
    if params.max_area:
        keep &= areas <= params.max_area
    if params.drop_border:
        for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
            keep[edge] = False
    keep[0] = False
    new_number = np.cumsum(keep) * keep
    if keep.sum() > np.iinfo(np.uint16).max:
        return new_number.astype(np.uint32)[labels]
    return new_number.astype(np.uint16)[labels]


def total_probability(labels: NDArray, foreground: NDArray, count: int) -> NDArray[np.float64]:
    """Sum of the foreground's probability over each of ``count`` labels, 0 among them.

    Of steps of 1/65536, so that sums are exact: the same in whatever order, and for a nucleus in pieces.
    """
    steps = np.floor(foreground.ravel().astype(np.float64) * 65536 + 0.5)
    return np.bincount(labels.ravel(), weights=steps, minlength=count) / 65536


def _instances(named: dict[MapName, NDArray], mask: NDArray[np.bool_], separation: float) -> NDArray[np.int32]:
    if separation <= 0:
        return ndimage.label(mask, structure=np.ones((3, 3)))[0].astype(np.int32, copy=False)
    if "distance" in named:
        return split_by_landscape(mask, ndimage.gaussian_filter(named["distance"], 1.0), separation)
    if mask.all():  # without any background there is no distance to it
        return mask.astype(np.int32)
    # The border of the picture is no border of a nucleus, so the distance ignores it. Smoothed, because the exact
    # distance has a chain of small maxima along every ridge.
    return split_by_landscape(mask, ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 1.0), separation)
