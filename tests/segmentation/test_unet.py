"""The network against formulas worked out by hand: sizes, weights, padding."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segmentation import UNet
from segmentation.errors import ParameterError

WIDTHS = (16, 32, 64, 128, 256)


def convolution_parameters(inputs: int, outputs: int, kernel: int) -> int:
    return inputs * outputs * kernel**2 + outputs


def block_parameters(inputs: int, outputs: int) -> int:
    return convolution_parameters(inputs, outputs, 3) + convolution_parameters(outputs, outputs, 3)


def test_parameters_follow_the_formula() -> None:
    down = sum(block_parameters(inputs, outputs) for inputs, outputs in zip((3, *WIDTHS), WIDTHS, strict=False))
    up = sum(
        convolution_parameters(below, here, 2) + block_parameters(2 * here, here) for here, below in pairwise(WIDTHS)
    )
    expected = down + up + convolution_parameters(16, 1, 1)
    assert expected == 1_941_105
    assert sum(parameter.numel() for parameter in UNet().parameters()) == expected


def test_levels_and_layers() -> None:
    network = UNet()
    assert len(network.down) == 5
    assert len(network.up) == len(network.merge) == 4
    assert network.stride == 16
    for block in (*network.down, *network.merge):
        assert [type(layer) for layer in block] == [nn.Conv2d, nn.ELU, nn.Dropout, nn.Conv2d, nn.ELU]
        assert block[0].kernel_size == block[3].kernel_size == (3, 3)
        assert block[0].padding == block[3].padding == (1, 1)
    assert all(layer.kernel_size == layer.stride == (2, 2) for layer in network.up)


def test_dropout_mirrors_the_way_down() -> None:
    network = UNet()
    assert [block[2].p for block in network.down] == [0.1, 0.1, 0.2, 0.2, 0.3]
    assert [block[2].p for block in network.merge] == [0.1, 0.1, 0.2, 0.2]
    assert [block[2].p for block in UNet(channels=(2, 2), dropout=(0.0, 0.5)).down] == [0.0, 0.5]


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (lambda network: network.down[4][3], 256 * 9),
        (lambda network: network.merge[3][0], 2 * 128 * 9),
        (lambda network: network.up[3], 256),  # a 2x2 transposed kernel with stride 2: one input pixel per output pixel
        (lambda network: network.head, 128),
    ],
    ids=["3x3 down", "3x3 merge", "2x2 transposed", "1x1"],
)
def test_he_normal_weights(layer, fan_in: int) -> None:
    torch.manual_seed(0)
    chosen = layer(UNet(channels=(128, 16, 32, 128, 256), dropout=(0.0,) * 5, out_channels=64))
    chosen_weights = chosen.weight.detach()
    expected = math.sqrt(2 / fan_in)
    count = chosen_weights.numel()
    assert chosen_weights.std().item() == pytest.approx(expected, rel=5 / math.sqrt(2 * count))
    assert abs(chosen_weights.mean().item()) < 5 * expected / math.sqrt(count)
    assert not chosen.bias.any()


def test_every_bias_starts_at_zero() -> None:
    assert not any(value.any() for name, value in UNet().named_parameters() if name.endswith("bias"))


@pytest.fixture(scope="module")
def network() -> UNet:
    torch.manual_seed(1)
    return UNet(channels=(4, 4, 4, 4, 4), dropout=(0.0,) * 5).eval()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (17, 33), (16, 16), (31, 16), (64, 48)])
@torch.inference_mode()
def test_any_size_equals_padding_by_hand(network: UNet, height: int, width: int) -> None:
    images = torch.rand(2, 3, height, width)
    answer = network.logits(images)
    assert answer.shape == (2, 1, height, width)
    rows = torch.arange(math.ceil(height / 16) * 16).clamp(max=height - 1)
    columns = torch.arange(math.ceil(width / 16) * 16).clamp(max=width - 1)
    by_hand = network.logits(images[:, :, rows][..., columns])[..., :height, :width]
    torch.testing.assert_close(answer, by_hand)


@torch.inference_mode()
def test_forward_is_the_sigmoid_of_the_logits(network: UNet) -> None:
    images = torch.rand(1, 3, 20, 36)
    torch.testing.assert_close(network(images), 1 / (1 + torch.exp(-network.logits(images))))


@torch.inference_mode()
def test_two_levels_computed_by_hand() -> None:
    torch.manual_seed(2)
    network = UNet(in_channels=1, channels=(2, 3), dropout=(0.0, 0.0)).eval()
    images = torch.rand(1, 1, 8, 8)

    def convolve(x: torch.Tensor, layer: nn.Conv2d) -> torch.Tensor:
        x = F.conv2d(x, layer.weight, layer.bias, padding=1)
        return torch.where(x > 0, x, torch.exp(x) - 1)  # ELU, alpha 1

    fine = convolve(convolve(images, network.down[0][0]), network.down[0][3])
    coarse = fine.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2))
    coarse = convolve(convolve(coarse, network.down[1][0]), network.down[1][3])
    raised = F.conv_transpose2d(coarse, network.up[0].weight, network.up[0].bias, stride=2)
    merged = convolve(convolve(torch.cat([raised, fine], 1), network.merge[0][0]), network.merge[0][3])
    torch.testing.assert_close(network.logits(images), F.conv2d(merged, network.head.weight, network.head.bias))


@pytest.mark.parametrize(("channels", "dropout"), [((4, 8), (0.1,)), ((4,), (0.1,)), ((), ()), ((4,), (0.1, 0.1))])
def test_levels_that_do_not_fit_are_refused(channels: tuple, dropout: tuple) -> None:
    with pytest.raises(ParameterError, match="one dropout rate per level"):
        UNet(channels=channels, dropout=dropout)


def test_arguments_rebuild_the_same_network() -> None:
    network = UNet(in_channels=2, out_channels=3, channels=(4, 8), dropout=(0.0, 0.4))
    again = UNet(**network.arguments)
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in network.state_dict().items()}
