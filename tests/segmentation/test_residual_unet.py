"""The residual U-Net against formulas worked out by hand, and on its way through a bundle."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from segmentation import Bundle, DecodeParams, Segmenter, UNet
from segmentation.bundle import CARD
from segmentation.errors import ParameterError
from segmentation.networks import NETWORKS, keep_outputs, network_name, with_outputs
from segmentation.residual_unet import ConvNorm, ResidualBlock, ResidualUNet

WIDTHS = (24, 48, 96, 128, 160)


def learned(network: ResidualUNet, seed: int = 0) -> ResidualUNet:
    """With statistics and scales in its normalisations, as after some training; otherwise they change nothing."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for value in (module.running_var, module.weight.data):
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
            for value in (module.running_mean, module.bias.data):
                value.copy_(torch.randn(value.shape, generator=generator) * 0.2)
    return network.eval()


@pytest.fixture(scope="module")
def network() -> ResidualUNet:
    torch.manual_seed(1)
    return learned(ResidualUNet(out_channels=2, channels=(4, 5, 6)))


def test_parameters_follow_the_formula() -> None:
    def unit(inputs: int, outputs: int, kernel: int = 3) -> int:
        return inputs * outputs * kernel**2 + 2 * outputs  # no bias, but a scale and a shift

    def block(width: int) -> int:
        return 2 * unit(width, width)

    finest = WIDTHS[0]
    down = block(finest) + sum(unit(above, here) + block(here) for above, here in pairwise(WIDTHS))
    up = sum(unit(below, here, 1) + block(here) for here, below in pairwise(WIDTHS))
    head = unit(finest, finest) + finest * 4 + 4
    expected = unit(3 * 4, finest) + down + up + head
    assert expected == 1_883_796 <= 2_000_000
    assert sum(parameter.numel() for parameter in ResidualUNet().parameters()) == expected


def test_stride_is_block_times_the_levels() -> None:
    assert ResidualUNet().stride == 32
    assert ResidualUNet(channels=(2, 2), block=1).stride == 2
    assert ResidualUNet(channels=(2, 2, 2), block=4).stride == 16


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 2), (2, 1), (3, 40), (7, 8), (8, 8), (9, 17), (24, 16), (31, 5)]
)
@torch.inference_mode()
def test_any_size_equals_padding_by_hand(network: ResidualUNet, height: int, width: int) -> None:
    images = torch.rand(2, 3, height, width)
    answer = network.logits(images)
    assert answer.shape == (2, 2, height, width)
    rows = torch.arange(math.ceil(height / 8) * 8).clamp(max=height - 1)
    columns = torch.arange(math.ceil(width / 8) * 8).clamp(max=width - 1)
    by_hand = network.logits(images[:, :, rows][..., columns])[..., :height, :width]
    torch.testing.assert_close(answer, by_hand)


@torch.inference_mode()
def test_forward_is_the_sigmoid_of_the_logits(network: ResidualUNet) -> None:
    images = torch.rand(1, 3, 20, 36)
    torch.testing.assert_close(network(images), 1 / (1 + torch.exp(-network.logits(images))))
    for extreme in (images * 1e4, images * -1e4):
        answer = network(extreme)
        assert torch.isfinite(answer).all()
        assert 0 <= answer.min() <= answer.max() <= 1


@torch.inference_mode()
def test_the_default_network_takes_odd_sizes() -> None:
    torch.manual_seed(0)
    network = ResidualUNet().eval()
    for size in ((1, 1), (33, 47)):
        answer = network(torch.rand(1, 3, *size))
        assert answer.shape == (1, 1, *size)
        assert 0 <= answer.min() <= answer.max() <= 1


@torch.inference_mode()
def test_two_levels_computed_by_hand() -> None:
    """With loops and slices in place of PixelUnshuffle, PixelShuffle, pooling, normalisation and interpolation."""
    torch.manual_seed(2)
    network = learned(ResidualUNet(in_channels=1, out_channels=2, channels=(3, 4)))
    images = torch.rand(1, 1, 8, 12)

    def unit(x: torch.Tensor, layer: ConvNorm) -> torch.Tensor:
        convolution, norm = layer[0], layer[1]
        size = convolution.kernel_size[0]
        x = torch.nn.functional.unfold(x, size, padding=size // 2)
        x = (convolution.weight.flatten(1) @ x).unflatten(2, shapes[-1])
        scale, shift, mean, variance = (
            v[:, None, None] for v in (norm.weight, norm.bias, norm.running_mean, norm.running_var)
        )
        return scale * (x - mean) / (variance + 1e-5).sqrt() + shift

    def block(x: torch.Tensor, layer: ResidualBlock) -> torch.Tensor:
        return (x + unit(unit(x, layer.first).clamp(min=0), layer.second)).clamp(min=0)

    shapes = [(4, 6)]
    gathered = torch.cat([images[:, :, y::2, x::2] for y in (0, 1) for x in (0, 1)], dim=1)
    fine = block(unit(gathered, network.stem[1]).clamp(min=0), network.down[0])
    shapes.append((2, 3))
    coarse = torch.stack([fine[..., y::2, x::2] for y in (0, 1) for x in (0, 1)]).amax(0)
    coarse = block(unit(coarse, network.down[1][1]).clamp(min=0), network.down[1][2])
    raised = unit(coarse, network.lift[0]).repeat_interleave(2, 2).repeat_interleave(2, 3)
    shapes.append((4, 6))
    merged = block((fine + raised).clamp(min=0), network.up[0])
    merged = unit(merged, network.head[0]).clamp(min=0)
    spread = torch.einsum("oc,nchw->nohw", network.head[1].weight[..., 0, 0], merged)
    spread += network.head[1].bias[:, None, None]
    answer = torch.zeros(1, 2, 8, 12)
    for index in range(2):
        for y in (0, 1):
            for x in (0, 1):
                answer[:, index, y::2, x::2] = spread[:, 4 * index + 2 * y + x]
    torch.testing.assert_close(network.logits(images), answer)


@torch.inference_mode()
def test_a_fine_branch_starts_by_correcting_nothing_and_then_sees_single_pixels() -> None:
    torch.manual_seed(5)
    plain = learned(ResidualUNet(out_channels=2, channels=(3, 4)))
    network = ResidualUNet(out_channels=2, channels=(3, 4), fine=5).eval()
    assert sum(parameter.numel() for parameter in network.fine.parameters()) == (
        3 * 9 * 5 + 3 * 4 * 5 + 2 * 5 + 2 * (5 * 5 * 9 + 2 * 5) + 5 * 2 + 2
    )
    network.load_state_dict(plain.state_dict(), strict=False)
    images = torch.rand(1, 3, 7, 10)
    torch.testing.assert_close(network.logits(images), plain.logits(images), rtol=0, atol=0)
    network.fine.correct.weight.copy_(torch.randn(network.fine.correct.weight.shape))
    padded = torch.nn.functional.pad(images, (0, 2, 0, 1), mode="replicate")  # to the stride
    found = network.up[0](network.down[0](network.stem(padded)) * 0 + 1)  # anything of the finest level's shape
    seen = torch.nn.functional.conv2d(padded, network.fine.see.weight, padding=1)
    spread = torch.einsum("oc,nchw->nohw", network.fine.spread[0].weight[..., 0, 0], found)
    spread = torch.nn.functional.pixel_shuffle(spread, 2)
    norm = network.fine.spread[2]
    scale, shift, mean, variance = (
        v[:, None, None] for v in (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    )
    joined = (seen + scale * (spread - mean) / (variance + 1e-5).sqrt() + shift).clamp(min=0)
    by_hand = torch.einsum("oc,nchw->nohw", network.fine.correct.weight[..., 0, 0], network.fine.refine(joined))
    torch.testing.assert_close(network.fine(padded, found), by_hand)
    assert network.logits(images).shape == (1, 2, 7, 10)
    assert not torch.equal(network.logits(images), plain.logits(images))


@torch.inference_mode()
def test_moving_the_picture_by_the_stride_moves_the_answer(network: ResidualUNet) -> None:
    images = torch.rand(1, 3, 184, 192, generator=torch.Generator().manual_seed(3))
    answer, border = network.logits(images), 72  # wider than the network looks
    for dy, dx in ((8, 0), (0, 8), (16, 24)):
        moved = network.logits(images.roll((dy, dx), (2, 3))).roll((-dy, -dx), (2, 3))
        inner = (..., slice(border, -border - dy or None), slice(border, -border - dx or None))
        assert answer[inner].numel() > 50
        torch.testing.assert_close(moved[inner], answer[inner], atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_each_picture_of_a_batch_is_for_itself(network: ResidualUNet) -> None:
    images = torch.rand(3, 3, 24, 16)
    together = network.logits(images)
    torch.testing.assert_close(together, torch.cat([network.logits(image[None]) for image in images]))
    torch.testing.assert_close(network.logits(images), together, rtol=0, atol=0)


@pytest.mark.parametrize("arguments", [{"channels": (4,)}, {"channels": ()}, {"block": 0}, {"fine": -1}])
def test_levels_that_do_not_fit_are_refused(arguments: dict) -> None:
    with pytest.raises(ParameterError, match="at least two levels, a block of at least 1 pixel"):
        ResidualUNet(**arguments)


@pytest.mark.parametrize("block", [1, 2, 3])
def test_round_trip_through_a_bundle(block: int, tmp_path: Path) -> None:
    torch.manual_seed(4)
    network = learned(ResidualUNet(out_channels=2, channels=(3, 4), block=block))
    names = ("distance", "foreground")
    bundle = Bundle(network, decode=DecodeParams(threshold=0.45, separation=0.1), maps=names)
    loaded = Bundle.load(bundle.save(tmp_path / "residual"))
    assert (type(loaded.network), loaded.maps, loaded.decode) == (ResidualUNet, names, bundle.decode)
    assert loaded.network.arguments == network.arguments
    assert not loaded.network.training
    before, after = network.state_dict(), loaded.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) and before[key].dtype == after[key].dtype for key in before)
    assert (
        "3, 4 channels, 3 input channels, predicting distance, foreground" in (tmp_path / "residual" / CARD).read_text()
    )
    picture = np.random.default_rng(0).integers(0, 256, (21, 34, 3)).astype(np.uint8)
    first, second = Segmenter(bundle, "cpu")(picture), Segmenter(loaded, "cpu")(picture)
    np.testing.assert_array_equal(first.maps, second.maps)
    assert second.names == names
    np.testing.assert_array_equal(second.foreground, second.maps[1])


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_by_name(name: str) -> None:
    network = NETWORKS[name]()
    assert network_name(network) == name
    again = NETWORKS[name](**network.arguments)
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in network.state_dict().items()}


@pytest.mark.parametrize(
    "kind",
    [
        UNet(channels=(2, 3), dropout=(0.0, 0.0)),
        ResidualUNet(channels=(2, 3), block=3),
        ResidualUNet(channels=(2, 3), fine=4),
    ],
)
def test_outputs_are_added_and_chosen(kind: UNet | ResidualUNet) -> None:
    assert with_outputs(kind, 1) is kind
    wide = with_outputs(kind, 3).eval()
    assert type(wide) is type(kind)
    assert wide.arguments == {**kind.arguments, "out_channels": 3}
    for parameter in wide.parameters():  # the last layer of a fine branch starts as zeros
        parameter.data.uniform_(-0.5, 0.5)
    images = torch.rand(2, 3, 14, 9)
    with torch.inference_mode():
        answer = wide(images)
        assert answer.shape == (2, 3, 14, 9)
        for indices in ([0], [2, 0], [1, 2, 0]):
            kept = keep_outputs(wide, indices)
            assert not kept.training
            assert kept.arguments["out_channels"] == len(indices)
            torch.testing.assert_close(kept(images), answer[:, indices])
