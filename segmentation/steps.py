"""The three steps that a U-Net is made of, on a single picture and in plain NumPy: to teach, and to check against."""

import numpy as np
from numpy.typing import NDArray

from segmentation.errors import ImageShapeError, ParameterError


def convolve3x3(picture: NDArray, kernel: NDArray) -> NDArray[np.float64]:
    """Each pixel becomes the sum of its 3 x 3 neighbourhood times the kernel, as networks do it (not turned).

    Args:
        picture: ``(H, W)`` numbers; those outside it count as 0.
        kernel: ``(3, 3)`` numbers.

    Returns:
        ``(H, W)``.

    Raises:
        ImageShapeError: if the picture has not two axes.
        ParameterError: if the kernel is not 3 x 3.
    """
    _check(picture, kernel, 3)
    height, width = picture.shape
    padded = np.pad(picture.astype(np.float64), 1)
    result = np.zeros((height, width))
    for row in range(3):
        for column in range(3):
            result += kernel[row, column] * padded[row : row + height, column : column + width]
    return result


def max_pool2x2(picture: NDArray) -> NDArray:
    """The largest of each block of 2 x 2 pixels: ``(H, W) -> (H // 2, W // 2)``; an odd last row or column is dropped.

    Raises:
        ImageShapeError: if the picture has not two axes.
    """
    _check(picture)
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    return picture[: 2 * height, : 2 * width].reshape(height, 2, width, 2).max(axis=(1, 3))


def transposed_convolution2x2(picture: NDArray, kernel: NDArray) -> NDArray[np.float64]:
    """Each pixel becomes a block of 2 x 2: the kernel times its value (stride 2, so blocks never overlap).

    Args:
        picture: ``(H, W)`` numbers.
        kernel: ``(2, 2)`` numbers.

    Returns:
        ``(2 H, 2 W)``.

    Raises:
        ImageShapeError: if the picture has not two axes.
        ParameterError: if the kernel is not 2 x 2.
    """
    _check(picture, kernel, 2)
    return np.asarray(np.kron(picture.astype(np.float64), kernel), np.float64)


def _check(picture: NDArray, kernel: NDArray | None = None, size: int = 0) -> None:
    if picture.ndim != 2:
        raise ImageShapeError(f"A picture of shape {picture.shape}: give one channel of it, (height, width).")
    if kernel is not None and kernel.shape != (size, size):
        raise ParameterError(f"kernel of shape {kernel.shape}: this step takes {size} x {size} numbers.")
