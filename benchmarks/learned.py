"""Whether the network knows the pictures that it learned from better than others: scores of each part of the split.

A network that has learned pictures by heart scores far better on them. One that scores the same has not: what it lacks
is not more pictures of their kind.

Run: ``python -m benchmarks.learned [--model checkpoints/nuclei] [--root ARCHIVE] [--fold-table folds.csv]``; three
minutes.
"""

from pathlib import Path

from benchmarks.held_out import arguments, judge, pictures, print_head
from segmentation.command_options import DEFAULT_MODEL
from segmentation.image_io import MicroscopyImage
from segmentation.segmenter import Segmenter

PARTS = {"train": "learned from", "validation": "chose", "test": "held out"}


def main() -> None:
    """Print one row a part."""
    parser = arguments(__doc__)
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="a bundle (default: %(default)s)")
    options = parser.parse_args()
    segmenter = Segmenter.from_pretrained(options.model, "cpu")
    for number, (part, name) in enumerate(PARTS.items()):
        found = pictures(options, part)
        if not number:
            print_head(found, part)
        judge(
            f"{name} ({len(found)})",
            found,
            lambda picture: segmenter(MicroscopyImage(picture.pixels, picture.name)).labels,
        )


if __name__ == "__main__":
    main()
