"""Baseline of the talk: its U-Net (``configs/slide.yaml``) with every connected component at probability 0.5 a nucleus.

Run: ``python -m benchmarks.talk_components [--root ARCHIVE] [--fold-table folds.csv]``. The bundle in
``checkpoints/slide`` was trained with the folds of the table that docs/accuracy.md names: with others it has seen
pictures that it is judged on.
"""

from functools import partial
from pathlib import Path

from numpy.typing import NDArray

from benchmarks.held_out import arguments, judge, pictures, print_head
from data_modules.pictures import LabelledPicture
from segmentation import DecodeParams, MicroscopyImage, Segmenter

BUNDLE = Path(__file__).resolve().parents[1] / "checkpoints" / "slide"


def main() -> None:
    """Print the held-out rows, as the talk decodes and as the decode search tuned it."""
    options = arguments(__doc__).parse_args()
    segmenter = Segmenter.from_pretrained(BUNDLE)
    held_out = pictures(options, "test")
    print_head(held_out, "held-out")
    ways = {
        "the talk's U-Net, whole components": DecodeParams(threshold=0.5, separation=0, min_area=12),
        "the talk's U-Net, cut by watershed": segmenter.bundle.decode,
    }

    def segment(params: DecodeParams, picture: LabelledPicture) -> NDArray:
        return segmenter(MicroscopyImage(picture.pixels, picture.name), params).labels

    for name, params in ways.items():
        judge(name, held_out, partial(segment, params))


if __name__ == "__main__":
    main()
