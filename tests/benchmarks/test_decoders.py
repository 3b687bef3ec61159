"""Every way to part nuclei that is compared must do so on the true maps, or the comparison would be unfair."""

import numpy as np
import pytest

from benchmarks.decoders import WAYS, split_by_seeds, split_by_vectors
from segmentation import DecodeParams
from segmentation.examples import make_example
from segmentation.instance_maps import encode
from segmentation.scores import match


@pytest.mark.parametrize("name", [name for name in WAYS if name.startswith("(")])
def test_every_way_recovers_crowded_nuclei_from_the_true_maps(name: str) -> None:
    way = WAYS[name]
    labels = make_example("tissue", 3, height=200, width=220, nuclei=80, radius=(6.0, 12.0)).labels
    maps = dict(zip(way.maps, encode(labels, way.maps), strict=True))
    params = DecodeParams(threshold=0.5, separation=way.separations[1], min_area=0)
    found = way(maps, params)
    np.testing.assert_array_equal(found > 0, labels > 0)
    assert match(found, labels, (0.8,)).true_positives[0] >= 0.97 * labels.max()


@pytest.mark.parametrize("radius", [5, 20, 60, 100])  # votes are blurred: nuclei of 5 pixels across merge this way
def test_vectors_lead_nuclei_of_any_size_to_their_centre(radius: int) -> None:
    """Way (d): a leap is at most 32 pixels long, so a large nucleus needs several."""
    rows, columns = np.mgrid[: 2 * radius + 10, : 4 * radius + 14]
    centre = radius + 4
    labels = (np.hypot(rows - centre, columns - centre) <= radius).astype(np.int32)
    labels[(np.hypot(rows - centre, columns - centre - 2 * radius) <= radius) & (labels == 0)] = 2
    way = WAYS["(d) offset to the centre, 6 leaps"]
    maps = dict(zip(way.maps, encode(labels, way.maps), strict=True))
    found = way(maps, DecodeParams(separation=0.5, min_area=0))
    assert match(found, labels, (0.9,)).true_positives == [2]


def test_a_component_where_nothing_meets_stays_whole() -> None:
    mask = np.zeros((30, 30), bool)
    mask[3:6, 3:6] = mask[10:25, 10:25] = True
    found = split_by_vectors(mask, np.zeros((2, 30, 30), np.float32), steps=3, votes=100)
    np.testing.assert_array_equal(found > 0, mask)
    assert len(np.unique(found[mask])) == 2


def test_seeds_stay_inside_the_mask_and_objects_join_at_corners() -> None:
    """As with components: what is parted in the foreground is never joined, and diagonal neighbours belong together."""
    landscape = np.zeros((20, 40))
    landscape[5:15, 5:15] = landscape[5:15, 20:30] = 0.9
    landscape[8:12, 15:20] = 0.6  # a bridge above the level, but outside the mask
    assert len(np.unique(split_by_seeds(landscape > 0.7, landscape, 0.5))) == 3
    landscape = np.zeros((20, 20))
    landscape[3:10, 3:10], landscape[10, 10] = 0.9, 0.55
    assert len(np.unique(split_by_seeds(landscape > 0.5, landscape, 0.6))) == 2
