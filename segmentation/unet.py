"""The U-Net (Ronneberger et al., MICCAI 2015, arXiv:1505.04597) in the variant of the 2018 Data Science Bowl talks."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segmentation.errors import ParameterError


class ConvBlock(nn.Sequential):
    """3x3 convolution, ELU, dropout, 3x3 convolution, ELU: ``(N, in, H, W) -> (N, out, H, W)``."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
            nn.ELU(),
            nn.Dropout(dropout),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
            nn.ELU(),
        )


class UNet(nn.Module):
    """U-Net with same-padded convolutions; ``UNet()`` has 1,941,105 parameters.

    Args:
        in_channels: channels of the prepared picture.
        out_channels: maps to predict, each through its own sigmoid.
        channels: width of each level, finest first.
        dropout: rate in each level's block, finest first; the way up mirrors the way down.

    Raises:
        ParameterError: if ``channels`` and ``dropout`` differ in length, or hold less than two levels.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        channels: Sequence[int] = (16, 32, 64, 128, 256),
        dropout: Sequence[float] = (0.1, 0.1, 0.2, 0.2, 0.3),
    ) -> None:
        super().__init__()
        if len(channels) != len(dropout) or len(channels) < 2:
            raise ParameterError(
                f"channels={tuple(channels)} and dropout={tuple(dropout)}: a U-Net needs one dropout rate per level "
                "and at least two levels; give both lists the same length."
            )
        inputs = [in_channels, *channels[:-1]]
        levels = list(zip(inputs, channels, dropout, strict=True))
        self.down = nn.ModuleList(ConvBlock(*level) for level in levels)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(below, here, kernel_size=2, stride=2) for here, below in pairwise(channels)
        )
        self.merge = nn.ModuleList(
            ConvBlock(2 * here, here, rate) for here, rate in zip(channels[:-1], dropout[:-1], strict=True)
        )
        self.head = nn.Conv2d(channels[0], out_channels, kernel_size=1)
        self.stride = 2 ** (len(channels) - 1)
        self.arguments = {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "channels": list(channels),
            "dropout": list(dropout),
        }
        self.apply(_initialise_he_normal)

    def logits(self, images: Tensor) -> Tensor:
        """``(N, C, H, W)`` prepared pixels -> ``(N, out_channels, H, W)`` logits; any H and W of at least 1.

        Sizes that the levels cannot halve are padded at the bottom and right by repeating the border, and cropped back.
        """
        height, width = images.shape[-2:]
        pad_bottom, pad_right = -height % self.stride, -width % self.stride
        x = F.pad(images, (0, pad_right, 0, pad_bottom), mode="replicate") if pad_bottom or pad_right else images
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        skips.pop()
        for upsample, merge in zip(reversed(self.up), reversed(self.merge), strict=True):
            x = merge(torch.cat([upsample(x), skips.pop()], dim=1))
        return self.head(x)[..., :height, :width]

    def forward(self, images: Tensor) -> Tensor:
        """``(N, C, H, W)`` prepared pixels -> ``(N, out_channels, H, W)`` probabilities in [0, 1]."""
        return self.logits(images).sigmoid()


def _initialise_he_normal(module: nn.Module) -> None:
    """He et al. 2015 (arXiv:1502.01852), eq. 10: standard deviation sqrt(2 / fan_in), biases zero."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        fan_in = module.in_channels * math.prod(module.kernel_size)
        if isinstance(module, nn.ConvTranspose2d):  # each output pixel sees kernel / stride pixels of the input
            fan_in //= math.prod(module.stride)
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_in))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
