import numpy as np
import pytest

from data_modules import SyntheticNuclei
from data_modules.pictures import KINDS, kind_of_picture
from segmentation.errors import ParameterError


def test_kinds_in_turn_each_a_group_of_its_own():
    source = SyntheticNuclei(pictures=7, size=64)
    source.prepare()
    source.setup()
    assert [info.kind for info in source.infos] == [*KINDS, *KINDS, KINDS[0]]
    assert len({info.group for info in source.infos}) == len({info.name for info in source.infos}) == 7
    for index, info in enumerate(source.infos):
        picture = source.load(index)
        assert (picture.name, picture.kind) == (info.name, info.kind)
        assert kind_of_picture(picture.pixels) == info.kind  # they look like what they are called
        assert picture.pixels.shape == (64, 64, 3 if info.kind == "tissue" else 1)
        assert picture.pixels.dtype == np.uint8
        assert picture.labels.shape == (64, 64)
        assert 1 <= picture.labels.max() <= 10
        np.testing.assert_array_equal(np.unique(picture.labels), np.arange(picture.labels.max() + 1))


def test_same_arguments_same_pictures():
    first, second, other = (SyntheticNuclei(6, 48, 4, seed).load(3) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.pixels, second.pixels)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert (first.pixels != other.pixels).any()
    np.testing.assert_array_equal(other.pixels, SyntheticNuclei(9, 48, 4, 3).load(6).pixels)  # seeds count on


def test_validation():
    for name, value in (("pictures", 0), ("size", 15), ("nuclei", -1), ("seed", -1)):
        with pytest.raises(ParameterError, match=f"{name}={value}"):
            SyntheticNuclei(**{name: value})
