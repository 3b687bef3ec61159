"""Searches the size of nuclei that suits a network best, on the validation pictures when training ends."""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from data_modules.pictures import LabelledPicture
from segmentation.automatic_magnification import Measured, largest_factor, suited_factor
from segmentation.image_io import MicroscopyImage
from segmentation.instance_maps import decode
from segmentation.scores import kaggle_score
from segmentation.segmenter import Segmenter


def search_diameter(
    segmenter: Segmenter, pictures: Sequence[LabelledPicture], candidates: Sequence[float]
) -> tuple[float, float]:
    """The diameter in pixels with the highest mean Kaggle score, and that score; see ``Bundle.diameter``.

    0, by which all pictures are magnified alike, is a candidate always, and wins ties.

    Args:
        segmenter: with the magnification and the decode parameters that it will have.
        pictures: for validation, never of the test fold.
        candidates: diameters to try.
    """
    bundle = segmenter.bundle
    images = [MicroscopyImage(picture.pixels, picture.name) for picture in pictures]
    found = []
    for image in tqdm(images, desc="measuring nuclei", leave=False):
        intensity = bundle.preprocessing.measure(image.pixels)
        found.append(segmenter.diameter_of(Measured(image.shape, image.pixels.__getitem__, intensity)))
    known: dict[tuple[int, float], float] = {}  # candidates share most of their factors

    def score(index: int, factor: float) -> float:
        if (index, factor) not in known:
            maps = segmenter.predict_maps(images[index], magnification=factor)
            labels = decode(maps, bundle.decode, bundle.maps)
            known[index, factor] = kaggle_score(labels, pictures[index].labels)
        return known[index, factor]

    def mean_score(diameter: float) -> float:
        factors = [
            suited_factor(diameter, each, largest_factor(*image.shape)) if diameter and each else bundle.magnification
            for image, each in zip(images, found, strict=True)
        ]
        return float(np.mean([score(index, factor) for index, factor in enumerate(factors)]))

    best, best_score = 0.0, mean_score(0.0)
    for candidate in tqdm(candidates, desc="searching diameter", leave=False):
        if (new := mean_score(candidate)) > best_score:
            best, best_score = candidate, new
    return best, best_score
