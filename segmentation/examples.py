"""Seeded pictures that look like the kinds of microscopy, with true labels: for examples, tests and smoke runs."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segmentation.errors import ParameterError

Appearance = Literal["fluorescence", "brightfield", "tissue"]

# RGB optical densities of haematoxylin and eosin (Ruifrok & Johnston, Anal. Quant. Cytol. Histol. 23, 2001).
_HAEMATOXYLIN = np.array([0.65, 0.70, 0.29], np.float32)
_EOSIN = np.array([0.07, 0.99, 0.11], np.float32)


@dataclass(frozen=True, eq=False)
class ExamplePicture:
    """A generated picture.

    Attributes:
        pixels: ``(H, W, C)`` uint8; C is 3 for tissue and 1 otherwise.
        labels: ``(H, W)`` int32, 0 the background, 1..n without gaps.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int32]


def make_example(
    appearance: Appearance,
    seed: int,
    *,
    height: int = 256,
    width: int = 256,
    nuclei: int = 24,
    radius: tuple[float, float] = (7.0, 13.0),
) -> ExamplePicture:
    """Draw a picture; the same arguments give the same pixels.

    Args:
        appearance: dark field with glowing nuclei, bright field with darker ones, or stained tissue.
        seed: of everything random.
        height: in pixels, at least 16.
        width: in pixels, at least 16.
        nuclei: how many to place; crowded pictures may hold fewer, since nuclei touch but never overlap.
        radius: range of their mean radius in pixels.

    Raises:
        ParameterError: unknown appearance, or a size below 16.
    """
    if appearance not in ("fluorescence", "brightfield", "tissue"):
        raise ParameterError(f"appearance={appearance!r}: choose fluorescence, brightfield or tissue.")
    if min(height, width) < 16 or nuclei < 0 or not 1 <= radius[0] <= radius[1]:
        raise ParameterError(
            f"height={height}, width={width}, nuclei={nuclei}, radius={radius}: at least 16 x 16 pixels, no negative "
            "number, and a radius range from 1 pixel up."
        )
    generator = np.random.default_rng(seed)
    labels = _place_nuclei(generator, height, width, nuclei, radius)
    draw = {"fluorescence": _fluorescence, "brightfield": _brightfield, "tissue": _tissue}[appearance]
    values = draw(generator, labels)
    return ExamplePicture(np.clip(np.rint(values * 255), 0, 255).astype(np.uint8), labels)


def _place_nuclei(
    generator: np.random.Generator, height: int, width: int, nuclei: int, radius: tuple[float, float]
) -> NDArray[np.int32]:
    labels = np.zeros((height, width), np.int32)
    count = 0
    for _ in range(6 * nuclei):
        if count == nuclei:
            break
        size = generator.uniform(*radius)
        stretch, angle = generator.uniform(1.0, 1.5), generator.uniform(0, np.pi)
        centre = generator.uniform(0, (height, width))
        wobble = generator.normal(0, 0.03, (2, 3))
        reach = int(np.ceil(2 * size))
        top, left = (max(int(c) - reach, 0) for c in centre)
        ys, xs = np.mgrid[top : min(top + 2 * reach, height), left : min(left + 2 * reach, width)]
        if ys.size == 0:
            continue
        dy, dx = ys - centre[0], xs - centre[1]
        u = (dx * np.cos(angle) + dy * np.sin(angle)) / stretch
        v = (-dx * np.sin(angle) + dy * np.cos(angle)) * stretch
        phase = np.arctan2(v, u)
        edge = 1 + sum(a * np.cos((k + 2) * phase) + b * np.sin((k + 2) * phase) for k, (a, b) in enumerate(wobble.T))
        inside = np.hypot(u, v) < size * edge
        region = labels[ys[0, 0] : ys[-1, 0] + 1, xs[0, 0] : xs[0, -1] + 1]
        # Touching is allowed, overlapping is not: true labels must be what a person could draw.
        if inside.sum() < 9 or (region[inside] > 0).any():
            continue
        count += 1
        region[inside] = count
    return labels


def _texture(generator: np.random.Generator, shape: tuple[int, int], sigma: float) -> NDArray[np.float32]:
    noise = ndimage.gaussian_filter(generator.standard_normal(shape), sigma)
    return (noise / max(float(noise.std()), 1e-9)).astype(np.float32)


def _per_nucleus(generator: np.random.Generator, labels: NDArray, low: float, high: float) -> NDArray[np.float32]:
    values = generator.uniform(low, high, int(labels.max()) + 1).astype(np.float32)
    values[0] = 0
    return values[labels]


def _fluorescence(generator: np.random.Generator, labels: NDArray) -> NDArray[np.float32]:
    glow = _per_nucleus(generator, labels, 0.35, 0.9)
    chromatin = 1 + 0.15 * _texture(generator, labels.shape, 1.5)
    light = ndimage.gaussian_filter(glow * chromatin, 0.8)
    haze = ndimage.gaussian_filter(glow, 12) * 0.15 + 0.04 + 0.01 * _texture(generator, labels.shape, 40)
    photons = 400 * np.clip(light + haze, 0, None)
    return (generator.poisson(photons) / 400).astype(np.float32)[..., None]


def _brightfield(generator: np.random.Generator, labels: NDArray) -> NDArray[np.float32]:
    dark = ndimage.gaussian_filter(_per_nucleus(generator, labels, 0.25, 0.5), 1.0)
    body = ndimage.gaussian_filter((labels > 0).astype(np.float32), 8) * 0.15
    paper = 0.85 + 0.02 * _texture(generator, labels.shape, 30)
    grain = 0.012 * generator.standard_normal(labels.shape)
    return (paper - dark * (1 + 0.1 * _texture(generator, labels.shape, 1.5)) - body + grain).astype(np.float32)[
        ..., None
    ]


def _tissue(generator: np.random.Generator, labels: NDArray) -> NDArray[np.float32]:
    nuclear = ndimage.gaussian_filter(_per_nucleus(generator, labels, 0.7, 1.3), 0.8)
    nuclear *= 1 + 0.15 * _texture(generator, labels.shape, 1.2)
    stroma = np.clip(
        0.25 + 0.12 * _texture(generator, labels.shape, 6) + 0.05 * _texture(generator, labels.shape, 1.5), 0, 1
    )
    density = nuclear[..., None] * _HAEMATOXYLIN + stroma[..., None] * _EOSIN
    return (np.exp(-density) + 0.01 * generator.standard_normal(density.shape)).astype(np.float32)
