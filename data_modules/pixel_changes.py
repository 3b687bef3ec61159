"""Changes of pixels that imgaug does not have: ``(H, W, 3)`` uint8 in, the same out, drawn by ``random``."""

import cv2
import numpy as np
from numpy.typing import NDArray


def mix(image: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Another stain: each channel a mixture of all, with weights that sum to 1, so that white stays white."""
    other = random.dirichlet(np.ones(3), size=3)
    strength = random.uniform(0, 1)
    matrix = (1 - strength) * np.eye(3)[random.permutation(3)] + strength * other
    return cv2.transform(image, matrix.astype(np.float32))


def to_grey(image: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """A black and white photograph through a filter of any colour."""
    weights = random.dirichlet(np.ones(3))
    return cv2.transform(image, np.tile(weights, (3, 1)).astype(np.float32))


def give_colour(image: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """A grey picture as a colour camera or a false-colour display shows it: brightest in one channel."""
    gain = random.uniform(0, 1, 3)
    return np.rint(image * (gain / gain.max()).astype(np.float32)).astype(np.uint8)


def shade(image: NDArray[np.uint8], depth: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """Uneven illumination: a smooth field between 1 - depth and 1."""
    coarse = random.uniform(1 - depth, 1, (3, 3)).astype(np.float32)
    field = cv2.resize(coarse, image.shape[1::-1], interpolation=cv2.INTER_CUBIC).clip(1 - depth, 1)  # it overshoots
    return np.rint(image * field[..., None]).astype(np.uint8)


def underexpose(image: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """A picture of few grey levels, with the camera's noise, mostly compressed as JPEG, and then stretched again.

    What lies between two grey levels, and the blocks of the compression, become textures as bright as faint nuclei.
    """
    levels = np.exp(random.uniform(np.log(12), np.log(80)))
    noise = random.uniform(0, 1) * random.standard_normal(image.shape[:2], np.float32)
    faint = np.rint(image * np.float32(levels / 255) + noise[..., None]).clip(0, 255).astype(np.uint8)
    if random.random() < 0.7:
        quality = int(random.integers(50, 96))
        compressed = cv2.imencode(".jpg", faint, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        faint = np.asarray(cv2.imdecode(compressed, cv2.IMREAD_COLOR), np.uint8)
    return np.rint(faint * np.float32(255 / levels)).clip(0, 255).astype(np.uint8)
