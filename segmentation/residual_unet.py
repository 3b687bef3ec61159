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


class FineBranch(nn.Module):
    """What the finest level found, spread out over its pixels and looked at beside the picture at full resolution."""

    def __init__(self, in_channels: int, finest: int, out_channels: int, width: int, block: int) -> None:
        super().__init__()
        self.see = nn.Conv2d(in_channels, width, kernel_size=3, padding=1, bias=False)
        self.spread = nn.Sequential(
            nn.Conv2d(finest, width * block**2, kernel_size=1, bias=False),
            nn.PixelShuffle(block),
            nn.BatchNorm2d(width),
        )
        self.refine = ResidualBlock(width)
        self.correct = nn.Conv2d(width, out_channels, kernel_size=1)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)  # type: ignore[arg-type]  # it has a bias

    def forward(self, images: Tensor, found: Tensor) -> Tensor:
        """``(N, C, H, W)`` pixels and ``(N, finest, H / block, W / block)`` -> logits ``(N, maps, H, W)`` to add."""
        return self.correct(self.refine(F.relu(self.see(images) + self.spread(found))))


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
        fine: width of a thin branch at the full resolution, which sees the picture's own pixels beside what the levels
            found and corrects where outlines run; 0 leaves it out. It starts by correcting nothing.

    Raises:
        ParameterError: if ``channels`` has less than two levels, ``block`` is less than 1, or ``fine`` less than 0.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 1,
        channels: Sequence[int] = (24, 48, 96, 128, 160),
        block: int = 2,
        fine: int = 0,
    ) -> None:
        super().__init__()
        if len(channels) < 2 or block < 1 or fine < 0:
            raise ParameterError(
                f"channels={tuple(channels)}, block={block}, fine={fine}: give at least two levels, a block of at "
                "least 1 pixel, and no fine branch (0) or a positive width of it."
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
        self.fine = FineBranch(in_channels, finest, out_channels, fine, block) if fine else None
        self.stride = block * 2 ** (len(channels) - 1)
        self.arguments = {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "channels": list(channels),
            "block": block,
            "fine": fine,
        }

    def logits(self, images: Tensor) -> Tensor:
        """``(N, C, H, W)`` prepared pixels -> ``(N, out_channels, H, W)`` logits; any H and W of at least 1.

        Sizes that the levels cannot halve are padded at the bottom and right by repeating the border, and cropped back.
        """
        height, width = images.shape[-2:]
        pad_bottom, pad_right = -height % self.stride, -width % self.stride
        padded = F.pad(images, (0, pad_right, 0, pad_bottom), mode="replicate") if pad_bottom or pad_right else images
        x = self.stem(padded)
        skips: list[Tensor] = []
        for level in self.down:
            x = level(x)
            skips.append(x)
        skips.pop()
        for lift, level in zip(reversed(self.lift), reversed(self.up), strict=True):
            x = level(F.relu(skips.pop() + F.interpolate(lift(x), scale_factor=2.0, mode="nearest")))
        logits = self.head(x) if self.fine is None else self.head(x) + self.fine(padded, x)
        return logits[..., :height, :width]

    def forward(self, images: Tensor) -> Tensor:
        """``(N, C, H, W)`` prepared pixels -> ``(N, out_channels, H, W)`` probabilities in [0, 1]."""
        return self.logits(images).sigmoid()
