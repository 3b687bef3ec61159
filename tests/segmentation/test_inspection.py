"""What the levels saw, against hooks on the network while the segmenter runs; layers against torch's own count."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segmentation import Bundle, MicroscopyImage, Preprocessing, Segmenter, UNet
from segmentation.errors import ImageShapeError, ParameterError
from segmentation.examples import make_example
from segmentation.inspection import (
    MAX_SIDE,
    busiest_window,
    choose_part,
    convolve3x3,
    inspect_levels,
    inspect_part,
    layer_table,
    max_pool2x2,
    transposed_convolution2x2,
)
from segmentation.layers import stages
from segmentation.residual_unet import ResidualUNet

NETWORKS = {
    "unet": UNet(channels=(3, 4, 6), dropout=(0.1, 0.1, 0.5)),
    "residual": ResidualUNet(channels=(3, 4, 6), block=2),
    "fine": ResidualUNet(channels=(3, 4, 6), block=2, fine=4),
}


def picture(height: int = 50, width: int = 70) -> MicroscopyImage:
    return MicroscopyImage(make_example("tissue", 3, height=height, width=width, nuclei=9).pixels, "tissue")


@pytest.mark.parametrize("network", [UNet(), UNet(3, 2, (2, 3), (0, 0)), *NETWORKS.values(), ResidualUNet(block=4)])
def test_layers_add_up_to_all_parameters(network: nn.Module) -> None:
    rows = layer_table(network)
    assert sum(row.parameters for row in rows) == sum(parameter.numel() for parameter in network.parameters())
    assert len({row.layer for row in rows}) == len(rows)
    for row in rows:
        layer = network.get_submodule(row.layer)
        assert row.parameters == sum(parameter.numel() for parameter in layer.parameters())
        assert eval(row.formula.replace("x", "*")) == row.parameters
        weight = layer.weight.shape  # (out, in, height, width); transposed convolutions have in and out the other way
        if row.kernel:
            assert row.kernel == f"{weight[2]} x {weight[3]}"
            swapped = row.kind == "transposed convolution"
            assert (row.in_channels, row.out_channels) == (weight[0], weight[1])[:: 1 if swapped else -1]


def test_the_talks_network() -> None:
    rows = layer_table(UNet())
    assert sum(row.parameters for row in rows) == 1_941_105
    assert [row.kind for row in rows].count("convolution") == 19  # two in each of nine levels, and the last
    assert [row.kind for row in rows].count("transposed convolution") == 4
    assert rows[0] == replace(rows[0], level="Down 1", layer="down.0.0", kernel="3 x 3", parameters=448)
    assert rows[-1] == replace(rows[-1], level="Answer", layer="head", kernel="1 x 1", parameters=17)


def test_another_network_is_refused() -> None:
    for refused in (layer_table, stages):
        with pytest.raises(ParameterError, match="type Conv2d: only UNet and ResidualUNet are known here"):
            refused(nn.Conv2d(3, 1, 1))


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("magnification", [1.0, 1.5, 0.5])
def test_levels_are_what_passes_through_the_segmenters_network(kind: str, magnification: float) -> None:
    bundle, image = Bundle(NETWORKS[kind].train(), magnification=magnification), picture()
    levels = inspect_levels(bundle, image, "cpu")
    assert bundle.network.training  # somebody else's
    assert not any(module._forward_hooks for module in bundle.network.modules())

    seen: dict[str, np.ndarray] = {}
    segmenter = Segmenter(bundle, "cpu", "pytorch")
    hooks = [
        bundle.network.get_submodule(stage.watched).register_forward_hook(
            lambda _module, _inputs, output, name=stage.name: seen.update({name: output[0].numpy().copy()})
        )
        for stage in stages(bundle.network)
    ]
    segmenter.predict_maps(image)
    for hook in hooks:
        hook.remove()
    assert [level.name for level in levels] == ["Down 1", "Down 2", "Bottom", "Up 2", "Up 1", "Answer"]
    for level in levels:
        assert level.maps.dtype == np.float32
        np.testing.assert_array_equal(level.maps, seen[level.name])


@pytest.mark.parametrize("kind", NETWORKS)
def test_sides_sizes_and_parameters_of_levels(kind: str) -> None:
    network = NETWORKS[kind]
    levels = inspect_levels(Bundle(network), picture(64, 48), "cpu")
    assert [level.side for level in levels] == ["encoder"] * 2 + ["bottleneck"] + ["decoder"] * 2 + ["output"]
    assert [len(level.maps) for level in levels] == [3, 4, 6, 4, 3, 1]
    finest = 1 if kind == "unet" else 2
    assert [level.scale for level in levels] == [finest * factor for factor in (1, 2, 4, 2, 1)] + [1]
    for level in levels:
        assert level.maps.shape[1:] == (64 // level.scale, 48 // level.scale)
    assert sum(level.parameters for level in levels) == sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("magnification", "side"), [(1.0, 512), (1.5, 341), (8.0, 64)])
def test_large_pictures_are_cut_where_most_happens(magnification: float, side: int) -> None:
    generator = np.random.default_rng(5)
    pixels = generator.integers(100, 110, (1300, 2100, 1)).astype(np.uint16)
    spots = np.kron(np.ones((15, 15), np.uint16), np.pad(np.full((6, 6), 4000, np.uint16), 7))
    pixels[700:1000, 1500:1800, 0] += spots
    bundle = Bundle(UNet(channels=(2, 2), dropout=(0, 0)), magnification=magnification)
    image = MicroscopyImage(pixels, "slide")
    part = choose_part(bundle, image)
    assert part.pixels.shape == (side, side, 3)
    inside = (slice(700, 1000), slice(1500, 1800))
    shared = [
        min(cut.stop, busy.stop) - max(cut.start, busy.start)
        for cut, busy in zip((part.rows, part.columns), inside, strict=True)
    ]
    assert min(shared) >= min(side, 300) - 2 * 20
    whole = bundle.preprocessing(pixels)  # stretched by the range of the whole picture, not of the part
    np.testing.assert_array_equal(part.pixels, whole[part.rows, part.columns])
    assert max(inspect_part(bundle, part, "cpu")[0].maps.shape) <= MAX_SIDE


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 17), (512, 513)])
def test_any_size_is_looked_into(shape: tuple[int, int]) -> None:
    image = MicroscopyImage(np.zeros((*shape, 1), np.uint8), "flat")
    part = choose_part(Bundle(NETWORKS["unet"]), image)
    assert part.pixels.shape == (shape[0], min(shape[1], 512), 3)
    answer = inspect_levels(Bundle(NETWORKS["unet"]), image, "cpu")[-1]
    assert answer.maps.shape == (1, shape[0], min(shape[1], 512))


def test_channels_that_the_network_does_not_take() -> None:
    bundle = Bundle(UNet(in_channels=1, channels=(2, 2), dropout=(0, 0)), preprocessing=Preprocessing(channels=1))
    with pytest.raises(ImageShapeError, match="picture has 3 channels"):
        inspect_levels(bundle, picture(), "cpu")


def test_busiest_window_by_trying_every_place() -> None:
    grey = np.zeros((30, 40), np.float32)
    grey[18:22, 25:31] = np.random.default_rng(2).random((4, 6))
    rows, columns = busiest_window(grey, 9, 12)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (9, 12)
    assert rows.start <= 18
    assert rows.stop >= 22
    assert columns.start <= 25
    assert columns.stop >= 31
    assert busiest_window(grey, 99, 99) == (slice(0, 30), slice(0, 40))


def as_batch(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float64))[None, None]


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (7, 4)])
def test_steps_are_those_of_torch(shape: tuple[int, int]) -> None:
    generator = np.random.default_rng(1)
    values, nine, four = generator.normal(size=shape), generator.normal(size=(3, 3)), generator.normal(size=(2, 2))
    expected = F.conv2d(as_batch(values), as_batch(nine), padding=1)[0, 0].numpy()
    np.testing.assert_allclose(convolve3x3(values, nine), expected, atol=1e-12)
    expected = F.conv_transpose2d(as_batch(values), as_batch(four), stride=2)[0, 0].numpy()
    np.testing.assert_allclose(transposed_convolution2x2(values, four), expected, atol=1e-12)
    if min(shape) > 1:
        np.testing.assert_array_equal(max_pool2x2(values), F.max_pool2d(as_batch(values), 2)[0, 0].numpy())


def test_steps_do_not_wrap_around_in_small_integers() -> None:
    bright = np.full((3, 3), 255, np.uint8)
    assert convolve3x3(bright, np.ones((3, 3), np.int8))[1, 1] == 9 * 255
    assert transposed_convolution2x2(bright, np.full((2, 2), 2, np.uint8)).max() == 510


def test_steps_refuse_other_shapes() -> None:
    with pytest.raises(ParameterError, match=r"kernel of shape \(2, 2\): this step takes 3 x 3"):
        convolve3x3(np.zeros((4, 4)), np.zeros((2, 2)))
    with pytest.raises(ParameterError, match=r"this step takes 2 x 2"):
        transposed_convolution2x2(np.zeros((4, 4)), np.zeros((3, 3)))
    with pytest.raises(ImageShapeError, match="give one channel"):
        max_pool2x2(np.zeros((4, 4, 3)))


def test_the_magnification_asked_for_wins_over_the_bundles() -> None:
    bundle = Bundle(NETWORKS["residual"].eval(), magnification=2.0)
    own, half = choose_part(bundle, picture()), choose_part(bundle, picture(), 0.5)
    assert (own.magnification, half.magnification) == (2.0, 0.5)
    seen = inspect_part(bundle, half, "cpu")[-1].maps
    assert seen.shape[1:] == (25, 35)
    with pytest.raises(ParameterError, match=r"magnification=0\.01"):
        choose_part(bundle, picture(), 0.01)
