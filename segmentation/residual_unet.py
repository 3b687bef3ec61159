"""The network that serves: a residual U-Net that works at half resolution."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from segmentation.errors import ParameterError


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation, and ReLU if ``active``: ``(N, in, H, W) -> (N, out, H, W)``."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 3, active: bool = True) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if active else []))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside an identity (He et al. 2015, arXiv:1512.03385): ``(N, C, H, W)``, same shape out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = ConvNorm(channels, channels), ConvNorm(channels, channels, active=False)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as ``x``."""
        return F.relu(x + self.second(self.first(x)))


class ResidualUNet(nn.Module):
    """U-Net whose finest level is a block of pixels, gathered into channels and spread out again at the end.

    A space-to-depth stem (Shi et al. 2016, arXiv:1609.05158, backwards) loses nothing, and its 3x3 convolutions cost a
    quarter of those at full resolution; the pixel-shuffle head puts every output back in its own pixel. Skips are added
    rather than concatenated (as in LinkNet, Chaurasia and Culurciello 2017, arXiv:1707.03718), which halves the way up.

    Args:
        in_channels: channels of the prepared picture.
        out_channels: maps to predict, each through its own sigmoid.
        channels: width of each level, finest first.
        block: side of the stem's pixel blocks.

    Raises:
        ParameterError: if ``channels`` has less than two levels, or ``block`` is less than 1.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        channels: Sequence[int] = (24, 48, 96, 128, 160),
        block: int = 2,
    ) -> None:
        super().__init__()
        if len(channels) < 2 or block < 1:
            raise ParameterError(
                f"channels={tuple(channels)}, block={block}: give at least two levels, and a block of at least 1 pixel."
            )
        finest = channels[0]
        self.stem = nn.Sequential(nn.PixelUnshuffle(block), ConvNorm(in_channels * block**2, finest))
        self.down = nn.ModuleList([ResidualBlock(finest)])
        for above, here in pairwise(channels):
            self.down.append(nn.Sequential(nn.MaxPool2d(2), ConvNorm(above, here), ResidualBlock(here)))
        self.lift = nn.ModuleList(
            ConvNorm(below, here, kernel_size=1, active=False) for here, below in pairwise(channels)
        )
        self.up = nn.ModuleList(ResidualBlock(here) for here in channels[:-1])
        self.head = nn.Sequential(
            ConvNorm(finest, finest), nn.Conv2d(finest, out_channels * block**2, kernel_size=1), nn.PixelShuffle(block)
        )
        self.stride = block * 2 ** (len(channels) - 1)
        self.arguments = {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "channels": list(channels),
            "block": block,
        }

    def logits(self, images: Tensor) -> Tensor:
        """``(N, C, H, W)`` prepared pixels -> ``(N, out_channels, H, W)`` logits; any H and W of at least 1.

        Sizes that the levels cannot halve are padded at the bottom and right by repeating the border, and cropped back.
        """
        height, width = images.shape[-2:]
        pad_bottom, pad_right = -height % self.stride, -width % self.stride
        x = F.pad(images, (0, pad_right, 0, pad_bottom), mode="replicate") if pad_bottom or pad_right else images
        x = self.stem(x)
        skips: list[Tensor] = []
        for level in self.down:
            x = level(x)
            skips.append(x)
        skips.pop()
        for lift, level in zip(reversed(self.lift), reversed(self.up), strict=True):
            x = level(F.relu(skips.pop() + F.interpolate(lift(x), scale_factor=2.0, mode="nearest")))
        return self.head(x)[..., :height, :width]

    def forward(self, images: Tensor) -> Tensor:
        """``(N, C, H, W)`` prepared pixels -> ``(N, out_channels, H, W)`` probabilities in [0, 1]."""
        return self.logits(images).sigmoid()
