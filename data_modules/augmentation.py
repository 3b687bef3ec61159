"""Training crops that vary as microscopes, stains and preparations do, with imgaug."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import imgaug.augmenters as iaa
import numpy as np
from numpy.typing import NDArray

from data_modules.drawn_fields import drawn_field
from data_modules.empty_fields import empty_field
from data_modules.pixel_changes import give_colour, mix, shade, to_grey, underexpose
from data_modules.seeded_steps import SeededSteps, Step
from data_modules.smooth_warp import REACH, smooth_warp
from data_modules.windows import random_window, resize
from segmentation.automatic_magnification import suited_factor, typical_diameter
from segmentation.bundle import check_diameter
from segmentation.errors import ParameterError


@dataclass(frozen=True)
class AugmentationParams:
    """How strongly training crops vary; presets are in ``configs/augmentation/``.

    Args:
        flip: mirror left-right and up-down, half the time each.
        quarter_turns: rotate by 0, 90, 180 or 270 degrees.
        scale: range of the magnification factor, drawn evenly on a log scale.
        diameter: of nuclei in pixels, to which a picture is brought by their median before it is scaled, as it will be
            before the network (see ``segmentation.automatic_magnification``); 0 leaves pictures at their size.
        shear: largest shear in degrees, of each axis by itself.
        elastic: largest standard deviation of a smooth displacement, in pixels; 0 turns it off.
        brightness: largest shift, as a fraction of the full range.
        contrast: range of the factor around mid-grey.
        gamma: range of the exponent.
        blur: largest standard deviation of a Gaussian blur, in pixels.
        noise: largest standard deviation of Gaussian noise, as a fraction of the full range.
        hue: largest turn of the hue in degrees; colour pictures only.
        saturation: range of the factor; colour pictures only.
        mix: probability of other colours: every channel becomes a random mixture of all three; colour pictures only.
        grey: probability that a colour picture loses its colour, by random weights of its channels.
        tint: probability that a grey picture gets one.
        shading: largest depth of uneven illumination, as a fraction of the brightness.
        jpeg: probability of JPEG compression.
        underexpose: probability of a picture of few grey levels, noisy and compressed, and stretched again.
        invert: probability of a negative.
        empty: probability that the crop gives way to a picture without nuclei (see ``empty_fields``).
        drawn: probability that the crop gives way to drawn nuclei: flat discs and ellipses (see ``drawn_fields``).
        plain: probability that a crop keeps its own pixel values, flipped, turned and moderately scaled only: where
            annotators see the outline of a blurred or faint nucleus is learned from such crops.
    """

    flip: bool = True
    quarter_turns: bool = True
    scale: tuple[float, float] = (0.75, 1.35)
    diameter: float = 0.0
    shear: float = 8.0
    elastic: float = 1.5
    brightness: float = 0.1
    contrast: tuple[float, float] = (0.7, 1.3)
    gamma: tuple[float, float] = (0.6, 1.7)
    blur: float = 1.0
    noise: float = 0.04
    hue: float = 20.0
    saturation: tuple[float, float] = (0.6, 1.4)
    mix: float = 0.0
    grey: float = 0.0
    tint: float = 0.0
    shading: float = 0.0
    jpeg: float = 0.0
    underexpose: float = 0.0
    invert: float = 0.05
    empty: float = 0.0
    drawn: float = 0.0
    plain: float = 0.0

    def __post_init__(self) -> None:
        for name in ("scale", "contrast", "gamma", "saturation"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ParameterError(f"{name}={(low, high)}: a range (low, high) with 0 < low <= high.")
        check_diameter(self.diameter)
        for name in ("shear", "elastic", "brightness", "blur", "noise", "hue"):
            if getattr(self, name) < 0:
                raise ParameterError(f"{name}={getattr(self, name)}: 0 (off) or more.")
        for name in ("mix", "grey", "tint", "shading", "jpeg", "underexpose", "invert", "empty", "drawn", "plain"):
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError(f"{name}={getattr(self, name)}: between 0 (off) and 1.")
        if self.shear > 30:
            raise ParameterError(f"shear={self.shear}: at most 30 degrees.")


class Augmenter:
    """Draws a training crop; the same seed gives the same crop.

    Args:
        params: strength; None only crops.
        crop: side of the crop in pixels.
    """

    def __init__(self, params: AugmentationParams | None, crop: int = 256) -> None:
        self.params, self.crop = params, crop
        if params is not None:
            # Wide enough that shearing and elastic warps never look outside it.
            sheared = crop / (1 - np.tan(np.deg2rad(params.shear)))
            self._margin = int(np.ceil((sheared - crop) / 2 + REACH * params.elastic)) + 1
            self._turn, self._turn_and_warp = SeededSteps(_turn(params)), SeededSteps([*_turn(params), *_warp(params)])
            self._grey = SeededSteps([*_tint(params), *_photometry(params)])
            self._colour = SeededSteps([*_colour(params), *_photometry(params)])

    def __call__(
        self, pixels: NDArray[np.uint8], labels: NDArray[np.int32], seed: int, diameter: float | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """``(H, W, 3)`` uint8 and ``(H, W)`` labels of any size -> the same, ``crop`` x ``crop``.

        ``diameter`` is the typical one of these nuclei (``typical_diameter``), for who has measured it already.

        Pixels and labels move together, and labels are never interpolated: a nucleus keeps its number, also where the
        border of the crop or another nucleus cuts it in two. Pictures smaller than the window are mirrored at their
        borders; a mirrored nucleus that touches its original is one with it, any other gets a new number.
        """
        generator = np.random.default_rng(seed)
        if self.params is None:
            return random_window(pixels, labels, self.crop, generator)
        # Scaled before all else and by itself, so that the costly warps see no more pixels than they need. Evenly
        # drawn on a log scale: half as large is as likely as twice as large.
        if self.params.drawn > 0 and generator.random() < self.params.drawn:
            pixels, labels = drawn_field(self.crop, generator)
            photometry_seed = int(generator.integers(2**31))
            if generator.random() >= self.params.plain:
                pixels = self._grey.on_pixels(pixels, photometry_seed)
            return pixels, labels
        reach = self.crop + 2 * self._margin
        plain = self.params.plain > 0 and generator.random() < self.params.plain
        scale = np.log(self.params.scale) * (0.5 if plain else 1.0)
        smaller = float(np.exp(generator.uniform(*-scale[::-1])))
        if self.params.diameter:
            found = typical_diameter([labels]) if diameter is None else diameter
            smaller /= suited_factor(self.params.diameter, found) if found else 1.0
        side = max(round(reach * smaller), 1)
        pixels, labels = random_window(pixels, labels, side, generator)
        coloured = bool((pixels[::4, ::4] != pixels[::4, ::4, :1]).any())
        photometry = self._colour if coloured else self._grey
        # Drawn whether they are used or not, so that a crop does not depend on it.
        moving_seed, photometry_seed = (int(generator.integers(2**31)) for _ in range(2))
        # A camera's noise and blur are magnified with the picture.
        early = self.params.diameter > 0 and side < reach and not plain and generator.random() < 0.5
        if early:
            pixels = photometry.on_pixels(pixels, photometry_seed)
        pixels, labels = resize(pixels, labels, reach)
        # Cropped here: imgaug's own CenterCropToFixedSize fails on NumPy 2.4.
        inner = slice(self._margin, self._margin + self.crop)
        if plain:
            pixels, labels = self._turn.on_both(pixels[inner, inner], labels[inner, inner], moving_seed)
        else:
            pixels, labels = self._turn_and_warp.on_both(pixels, labels, moving_seed)
            pixels, labels = np.ascontiguousarray(pixels[inner, inner]), np.ascontiguousarray(labels[inner, inner])
        if generator.random() < self.params.empty:
            pixels, labels = empty_field(pixels, generator), np.zeros_like(labels)
            plain = False
        if plain or early:
            return pixels, labels
        return photometry.on_pixels(pixels, photometry_seed), labels


def _warp(params: AugmentationParams) -> list[Step]:
    steps: list[Step] = []
    if params.shear:
        # Named axes: one range for both would draw one angle for both, and that is a rotation.
        shear = dict.fromkeys("xy", (-params.shear, params.shear))
        steps.append((1.0, iaa.Affine(shear=shear, order=1, mode="constant")))
    if params.elastic:
        steps.append((0.5, smooth_warp(params.elastic)))
    return steps


def _turn(params: AugmentationParams) -> list[Step]:
    steps: list[Step] = []
    if params.flip:
        steps += [(0.5, iaa.Fliplr(1.0)), (0.5, iaa.Flipud(1.0))]
    if params.quarter_turns:
        steps.append((0.75, iaa.Rot90((1, 3), keep_size=False)))
    return steps


def _photometry(params: AugmentationParams) -> list[Step]:
    shift, noise = 255 * params.brightness, 255 * params.noise
    steps: list[Step] = [
        (0.5, iaa.GammaContrast(params.gamma)),
        (0.5, iaa.LinearContrast(params.contrast)),
        (0.5, iaa.Add((-shift, shift))),
    ]
    if params.shading:
        steps.append((0.3, _own(lambda image, random: shade(image, params.shading, random))))
    steps += [
        (0.3, iaa.GaussianBlur((0.0, params.blur))),
        (0.3, iaa.AdditiveGaussianNoise(scale=(0.0, noise))),
    ]
    if params.jpeg:
        steps.append((params.jpeg, iaa.JpegCompression((20, 70))))
    if params.underexpose:
        steps.append((params.underexpose, _own(underexpose)))
    return [*steps, (params.invert, iaa.Invert(1.0))]


def _colour(params: AugmentationParams) -> list[Step]:
    steps: list[iaa.Augmenter] = []
    if turn := round(params.hue * 255 / 360):
        steps.append(iaa.AddToHue((-turn, turn)))
    if params.saturation != (1.0, 1.0):  # by 1 it would still cost the bits that HSV loses
        steps.append(iaa.MultiplySaturation(params.saturation))
    return [(0.7, iaa.Sequential(steps)), (params.mix, _own(mix)), (params.grey, _own(to_grey))]


def _tint(params: AugmentationParams) -> list[Step]:
    return [(params.tint, _own(give_colour))]


def _own(change: Callable[[NDArray, np.random.Generator], NDArray]) -> iaa.Augmenter:
    """Our own change of pixels as one of imgaug's augmenters, drawing from its seed."""

    def change_all(images: list[NDArray], random_state: Any, parents: Any, hooks: Any) -> list[NDArray]:
        seed = int(random_state.integers(0, 2**31 - 1))
        return [change(image, np.random.default_rng((seed, index))) for index, image in enumerate(images)]

    return iaa.Lambda(func_images=change_all)
