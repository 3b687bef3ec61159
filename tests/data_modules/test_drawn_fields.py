import numpy as np
from scipy import ndimage
from skimage.measure import regionprops

from data_modules import AugmentationParams
from data_modules.augmentation import Augmenter
from data_modules.drawn_fields import drawn_field
from segmentation.examples import make_example

FIELDS = [drawn_field(96, np.random.default_rng(seed)) for seed in range(40)]


def test_labels_are_the_bright_and_whole_things():
    sizes = []
    for pixels, labels in FIELDS:
        assert pixels.shape == (96, 96, 3)
        assert (pixels == pixels[..., :1]).all()
        numbers = np.unique(labels)
        np.testing.assert_array_equal(numbers, np.arange(len(numbers)))
        if len(numbers) == 1:
            continue
        inside, outside = pixels[labels > 0, 0].mean(), pixels[~ndimage.binary_dilation(labels > 0, iterations=3), 0]
        assert inside > outside.mean() + 15
        for each in regionprops(labels):
            assert ndimage.label(each.image)[1] == 1
            assert each.solidity > 0.8 or each.area < 30
        sizes.append(np.median([each.equivalent_diameter_area for each in regionprops(labels)]))
    assert min(sizes) < 7
    assert max(sizes) > 25


def test_no_two_touch():
    for _, labels in FIELDS:
        highest = ndimage.maximum_filter(labels, 3)
        lowest = -ndimage.maximum_filter(np.where(labels > 0, -labels, -(2**30)), 3)
        assert not ((labels > 0) & (highest != lowest)).any()


def test_crops_give_way_as_often_as_asked_for():
    drawn = make_example("tissue", 3, height=96, width=96, nuclei=12)  # stained: drawn fields are grey
    half = Augmenter(AugmentationParams(drawn=0.5, hue=0.0, saturation=(1.0, 1.0)), 48)
    grey = [(crop == crop[..., :1]).all() for crop, _ in (half(drawn.pixels, drawn.labels, s) for s in range(80))]
    assert 25 <= sum(grey) <= 55
    crop, labels = half(drawn.pixels, drawn.labels, 3)
    again, labels_again = half(drawn.pixels, drawn.labels, 3)
    np.testing.assert_array_equal(crop, again)
    np.testing.assert_array_equal(labels, labels_again)
