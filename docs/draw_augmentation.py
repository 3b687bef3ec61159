"""Draws docs/augmentation.png: one picture, augmented sixteen ways. Run: ``python -m docs.draw_augmentation``."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from data_modules.augmentation import AugmentationParams, Augmenter
from segmentation.examples import make_example
from segmentation.overlay import draw_overlay

CROP, GAP, CAPTION = 192, 10, 20
OFF = AugmentationParams(
    flip=False,
    quarter_turns=False,
    scale=(1.0, 1.0),
    shear=0.0,
    elastic=0.0,
    brightness=0.0,
    contrast=(1.0, 1.0),
    gamma=(1.0, 1.0),
    blur=0.0,
    noise=0.0,
    hue=0.0,
    saturation=(1.0, 1.0),
    invert=0.0,
)


def _panels() -> list[tuple[str, AugmentationParams]]:
    """(caption, parameters): each effect alone, then two presets."""
    alone = [
        ("flip, quarter turn", replace(OFF, flip=True, quarter_turns=True)),
        ("scale 0.6", replace(OFF, scale=(0.6, 0.6))),
        ("shear", replace(OFF, shear=25.0)),
        ("elastic", replace(OFF, elastic=6.0)),
        ("gamma, contrast", replace(OFF, gamma=(1.9, 2.1), contrast=(1.3, 1.4))),
        ("blur", replace(OFF, blur=3.0)),
        ("noise", replace(OFF, noise=0.2)),
        ("hue, saturation", replace(OFF, hue=90.0, saturation=(1.2, 1.8))),
        ("other stain", replace(OFF, mix=1.0)),
        ("grey", replace(OFF, grey=1.0)),
        ("shading", replace(OFF, shading=0.8)),
        ("underexposed", replace(OFF, underexpose=1.0)),
        ("no nuclei", replace(OFF, empty=1.0)),
        ("inversion", replace(OFF, invert=1.0)),
    ]
    folder = Path(__file__).resolve().parents[1] / "configs" / "augmentation"
    presets = [
        (f"preset: {name}", AugmentationParams(**yaml.safe_load((folder / f"{name}.yaml").read_text())))
        for name in ("default", "strong")
    ]
    return alone + presets


def main() -> None:
    """Write the picture beside this file."""
    drawn = make_example("tissue", 4, height=420, width=420, nuclei=70, radius=(10.0, 18.0))
    tiles = [_tile(caption, params, drawn.pixels, drawn.labels) for caption, params in _panels()]
    rows = [np.hstack(tiles[start : start + 4]) for start in range(0, len(tiles), 4)]
    Image.fromarray(np.vstack(rows)).save(Path(__file__).with_name("augmentation.png"), optimize=True)


def _tile(
    caption: str, params: AugmentationParams, pixels: NDArray[np.uint8], labels: NDArray[np.int32]
) -> NDArray[np.uint8]:
    augmenter, plain = Augmenter(params, CROP), Augmenter(OFF, CROP)

    def change(seed: int) -> float:
        return float(np.abs(augmenter(pixels, labels, seed)[0].astype(int) - plain(pixels, labels, seed)[0]).mean())

    # Most effects strike only sometimes, and softly: show the draw that changed most, or for a preset a usual one.
    seeds = sorted(range(24), key=change)
    moved, moved_labels = augmenter(pixels, labels, seeds[12 if caption.startswith("preset") else -1])
    tile = Image.new("RGB", (CROP + GAP, CROP + GAP + CAPTION), "white")
    tile.paste(Image.fromarray(draw_overlay(moved, moved_labels)), (GAP // 2, GAP // 2))
    font = ImageFont.load_default(13)
    ImageDraw.Draw(tile).text((GAP // 2, CROP + GAP // 2 + 3), caption, fill="black", font=font)
    return np.asarray(tile)


if __name__ == "__main__":
    main()
