"""Pictures without a single nucleus, so that a network learns to find none: noise, textures, things of other shapes."""

import cv2
import numpy as np
from numpy.typing import NDArray


def empty_field(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """``(H, W, 3)`` uint8 -> a picture of that size with no nuclei: half the time noise, else a texture or shapes.

    Args:
        pixels: where the texture's spectrum comes from.
        random: what draws.
    """
    draw = random.random()
    if draw < 0.5:
        return _noise(pixels.shape, random)
    return _texture(pixels, random) if draw < 0.75 else _shapes(pixels.shape, random)


def _noise(shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.uint8]:
    """Camera noise with nothing behind it, stretched to the full range as a picture of it would be."""
    channels = 3 if random.random() < 0.3 else 1
    size = (*shape[:2], channels)
    kind = random.integers(3)
    if kind == 0:
        field = random.standard_normal(size, np.float32)
    elif kind == 1:
        field = random.poisson(random.uniform(0.5, 20), size).astype(np.float32)
    else:
        field = random.random(size, np.float32)
    if random.random() < 0.6:
        field = cv2.GaussianBlur(field, (0, 0), random.uniform(0.4, 1.5)).reshape(size)
    return _stretch(np.repeat(field, 3 // channels, axis=2))


def _texture(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """The picture's own spectrum with random phases: as coarse and as bright, but nothing has an outline."""
    phases = np.exp(1j * np.angle(np.fft.rfft2(random.standard_normal(pixels.shape[:2]))))
    spectrum = np.fft.rfft2(pixels.astype(np.float32), axes=(0, 1)) * phases[..., None]
    spectrum[0, 0] = 0
    return _stretch(np.fft.irfft2(spectrum, s=pixels.shape[:2], axes=(0, 1)))


def _shapes(shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.uint8]:
    """What a photograph or a printed page has: edges, corners, lines and letters of any size and colour."""
    grey = random.random() < 0.5

    def colour() -> tuple[float, ...]:
        value = random.integers(0, 256, 3)
        return tuple(float(v) for v in (np.repeat(value[:1], 3) if grey else value))

    canvas = np.empty(shape, np.uint8)
    canvas[:] = colour()
    for _ in range(int(random.integers(3, 40))):
        centre = random.uniform(0, 1, 2) * shape[1::-1]
        reach = float(np.exp(random.uniform(np.log(8), np.log(200))))
        kind = random.integers(3)
        if kind == 0:
            corners = centre + random.uniform(-reach, reach, (int(random.integers(3, 6)), 2))
            cv2.fillPoly(canvas, [corners.astype(np.int32)], colour(), cv2.LINE_AA)
        elif kind == 1:
            ends = (centre + random.uniform(-reach, reach, (2, 2)) * 2).astype(int)
            start, end = (tuple(map(int, point)) for point in ends)
            cv2.line(canvas, start, end, colour(), int(random.integers(1, 8)), cv2.LINE_AA)
        else:
            text = "".join(chr(code) for code in random.integers(33, 127, int(random.integers(1, 12))))
            place = tuple(map(int, centre))
            cv2.putText(canvas, text, place, int(random.integers(8)), reach / 60 + 0.2, colour(), 1, cv2.LINE_AA)
    return cv2.GaussianBlur(canvas, (0, 0), random.uniform(0.3, 2.0)).reshape(shape)


def _stretch(field: NDArray[np.floating]) -> NDArray[np.uint8]:
    low, high = np.percentile(field, (0.05, 99.95))
    return np.rint(255 * np.clip((field - low) / max(high - low, 1e-6), 0, 1)).astype(np.uint8)
