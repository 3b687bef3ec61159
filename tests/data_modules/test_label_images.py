import numpy as np
import pytest
from skimage.measure import label

from data_modules.label_images import combine_masks, labels_from_mask
from segmentation.errors import DataError


def noise(*shape):
    return np.random.default_rng(0).random(shape) > 0.7


@pytest.mark.parametrize("value", [1, 255, 65_535])
def test_binary_mask_becomes_its_components(value):
    mask = noise(40, 50) * np.uint16(value)
    labels = labels_from_mask(mask, one_object=False, owner="m")
    np.testing.assert_array_equal(labels, label(mask > 0, connectivity=2))
    assert labels.dtype == np.int32


def test_one_object_is_whole_however_many_parts():
    mask = noise(40, 50) * np.uint8(255)
    np.testing.assert_array_equal(labels_from_mask(mask, one_object=True, owner="m"), mask > 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
def test_label_image_is_kept_with_its_gaps(dtype):
    labels = np.array([[0, 7, 7], [3, 0, 200], [3, 3, 7]])
    for mask in (labels, labels[..., None], np.repeat(labels[..., None], 3, axis=2)):
        np.testing.assert_array_equal(labels_from_mask(mask.astype(dtype), one_object=False, owner="m"), labels)


@pytest.mark.parametrize("value", [0, 9])
def test_mask_of_one_value(value):
    labels = labels_from_mask(np.full((4, 5), value, np.uint8), one_object=False, owner="m")
    np.testing.assert_array_equal(labels, np.full((4, 5), min(value, 1)))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.eye(3)[..., None] * [1, 2, 3], r"m\.png: the mask is a colour picture; save labels as"),
        (np.eye(3) / 2, "fractions or NaN"),
        (np.full((3, 3), np.nan), "fractions or NaN"),
        (-np.eye(3), r"from -1\.0 to -?0\.0"),
        (np.eye(3, dtype=np.uint32) * 65_536, "from 0 to 65536; they must be 0 to 65,535"),
    ],
)
def test_masks_that_are_no_labels(mask, message):
    with pytest.raises(DataError, match=message):
        labels_from_mask(mask, one_object=False, owner="m.png")


def test_first_mask_keeps_the_pixel_and_covered_ones_get_no_number():
    masks = [np.zeros((2, 6), np.uint8) for _ in range(4)]
    masks[0][:, 1:4], masks[1][:, 2:3], masks[2][:, 3:6] = 1, 255, 7
    labels = combine_masks([(f"{i}.png", mask) for i, mask in enumerate(masks)], (2, 6), "p")
    np.testing.assert_array_equal(labels, [[0, 1, 1, 1, 2, 2]] * 2)
    np.testing.assert_array_equal(combine_masks([], (2, 6), "p"), np.zeros((2, 6)))


def test_mask_of_another_size_names_both():
    with pytest.raises(DataError, match=r"p: mask 1\.png is 2 x 3 and the picture 5 x 4"):
        combine_masks([("1.png", np.zeros((3, 2)))], (4, 5), "p")
