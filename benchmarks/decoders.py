"""Ways to part nuclei, compared on one network that learned the maps of all of them, so with one training budget.

Each way's parameters are searched on the validation pictures, and the held-out ones are judged once. Behind each name
stands what decoding alone takes of one core.

Run: ``python -m benchmarks.decoders --model BUNDLE [--root ARCHIVE] [--fold-table folds.csv]``.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from benchmarks.held_out import arguments, judge, pictures, print_head
from data_modules.pictures import LabelledPicture
from segmentation import DecodeParams, MicroscopyImage, Segmenter
from segmentation.instance_maps import OFFSET_RANGE, MapName, decode
from segmentation.scores import kaggle_score

THRESHOLDS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9)
MIN_AREA = 12
Maps = dict[MapName, NDArray[np.float32]]


def split_by_seeds(mask: NDArray[np.bool_], landscape: NDArray, level: float) -> NDArray[np.int32]:
    """Watershed of ``landscape`` ``(H, W)`` inside ``mask``, from the components of what lies above ``level``."""
    seeds, count = ndimage.label((landscape > level) & mask, structure=np.ones((3, 3)))
    labels = watershed(-landscape, seeds, connectivity=2, mask=mask)
    seedless = ndimage.label(mask & (labels == 0), structure=np.ones((3, 3)))[0]
    return np.where(seedless > 0, seedless + count, labels)


def split_by_vectors(
    mask: NDArray[np.bool_], vectors: NDArray[np.floating], steps: int, votes: float
) -> NDArray[np.int32]:
    """Let every pixel of ``mask`` follow ``vectors`` ``(2, H, W)`` in pixels, rows first; those that meet are one.

    Args:
        mask: ``(H, W)``.
        vectors: the step from each pixel.
        steps: how many are taken.
        votes: a meeting place holds at least this many pixels, after smoothing.
    """
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return np.zeros(mask.shape, np.int32)
    y, x = rows.astype(np.float32), columns.astype(np.float32)
    height, width = mask.shape
    for _ in range(steps):
        iy, ix = np.rint(y).astype(np.intp), np.rint(x).astype(np.intp)
        y = np.clip(y + vectors[0, iy, ix], 0, height - 1)
        x = np.clip(x + vectors[1, iy, ix], 0, width - 1)
    iy, ix = np.rint(y).astype(np.intp), np.rint(x).astype(np.intp)
    density = np.bincount(iy * width + ix, minlength=height * width).reshape(height, width).astype(np.float32)
    density = ndimage.gaussian_filter(density, 1.5)
    meeting, count = ndimage.label(density > votes, structure=np.ones((3, 3)))
    labels = np.zeros(mask.shape, np.int32)
    labels[rows, columns] = meeting[iy, ix]
    # Pixels that lost their way go to the nearest object of their own component; one without any is kept whole.
    labels = watershed(np.zeros(mask.shape, np.uint8), labels, connectivity=2, mask=mask)
    seedless = ndimage.label(mask & (labels == 0), structure=np.ones((3, 3)))[0]
    return np.where(seedless > 0, seedless + count, labels)


def by_landscape(maps: Maps, params: DecodeParams) -> NDArray:
    """What ships: watershed on the distance map, or without one on the distance to the border of the foreground."""
    return decode(np.stack(list(maps.values())), params, tuple(maps))


def by_seeds(maps: Maps, params: DecodeParams) -> NDArray:
    """Seeds are what is surely inside."""
    landscape = maps["foreground"] * (1 - maps["boundary"])
    return split_by_seeds(maps["foreground"] >= params.threshold, landscape, params.separation)


def by_flow(maps: Maps, params: DecodeParams) -> NDArray:
    """Steps of a pixel along the flow, as Cellpose does (Stringer et al., Nature Methods 18, 2021)."""
    flow = 2 * np.stack([maps["flow_y"], maps["flow_x"]]) - 1
    return split_by_vectors(maps["foreground"] >= params.threshold, flow, steps=64, votes=params.separation)


def by_offset(maps: Maps, params: DecodeParams) -> NDArray:
    """A few leaps to the centre, each as long as the network says."""
    offset = (2 * np.stack([maps["offset_y"], maps["offset_x"]]) - 1) * OFFSET_RANGE
    return split_by_vectors(maps["foreground"] >= params.threshold, offset, steps=6, votes=params.separation)


@dataclass(frozen=True)
class Way:
    """One way to part nuclei: what it reads, how it decodes, and the separations that are searched."""

    maps: tuple[MapName, ...]
    decode: Callable[[Maps, DecodeParams], NDArray]
    separations: tuple[float, ...]

    def __call__(self, maps: Maps, params: DecodeParams) -> NDArray:
        """Labels ``(H, W)`` without objects that are too small."""
        labels = self.decode({name: maps[name] for name in self.maps}, params)
        keep = np.bincount(labels.ravel()) >= params.min_area
        keep[0] = False
        return np.where(keep[labels], labels, 0)


VOTES = (0.5, 1.0, 2.0, 4.0)
WAYS = {
    "whole components": Way(("foreground",), by_landscape, (0.0,)),
    "watershed on the foreground's distance": Way(("foreground",), by_landscape, (0.5, 0.75, 1.0, 1.5, 2.0)),
    "(a) boundary, seeded watershed": Way(("foreground", "boundary"), by_seeds, (0.3, 0.4, 0.5, 0.6, 0.7)),
    "(b) relative distance, watershed": Way(("foreground", "distance"), by_landscape, (0.04, 0.07, 0.1, 0.15, 0.2)),
    "(c) flow, followed in 64 steps": Way(("foreground", "flow_y", "flow_x"), by_flow, VOTES),
    "(d) offset to the centre, 6 leaps": Way(("foreground", "offset_y", "offset_x"), by_offset, VOTES),
}


def main() -> None:
    """Print one row for each way."""
    parser = arguments(__doc__)
    parser.add_argument("--model", type=Path, required=True, help="bundle that predicts every map")
    options = parser.parse_args()
    segmenter = Segmenter.from_pretrained(options.model)
    names = segmenter.bundle.maps

    def predict(found: list[LabelledPicture]) -> list[Maps]:
        maps = (segmenter.predict_maps(MicroscopyImage(p.pixels, p.name)) for p in found)
        return [dict(zip(names, each, strict=True)) for each in maps]

    validation, held_out = pictures(options, "validation"), pictures(options, "test")
    of_validation, of_held_out = predict(validation), predict(held_out)
    chosen: dict[str, DecodeParams] = {}
    for name, way in WAYS.items():
        best = -1.0
        for threshold, separation in itertools.product(THRESHOLDS, way.separations):
            params = DecodeParams("instances", threshold, separation, MIN_AREA)
            pairs = zip(of_validation, validation, strict=True)
            score = float(np.mean([kaggle_score(way(maps, params), p.labels) for maps, p in pairs]))
            if score > best:
                best, chosen[name] = score, params
        print(f"{name}: {chosen[name]}, validation {best:.4f}", flush=True)
    print_head(held_out, "held-out")
    megapixels = sum(p.labels.size for p in held_out) / 1e6
    for name, way in WAYS.items():
        start = time.process_time()
        labels = [way(maps, chosen[name]) for maps in of_held_out]
        seconds = (time.process_time() - start) / megapixels
        answers = iter(labels)
        judge(f"{name} ({seconds:.2f} s/megapixel)", held_out, lambda _: next(answers))  # noqa: B023  (used at once)


if __name__ == "__main__":
    main()
