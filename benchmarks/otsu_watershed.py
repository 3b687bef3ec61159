"""Baseline without learning: Otsu's threshold and a watershed on the distance to the border, done well.

Stained tissue is unmixed first (haematoxylin of Ruifrok and Johnston 2001), a bright background is turned dark, and the
picture is smoothed. Its four settings are chosen on the validation pictures, kind by kind, as our own decoding is.

Run: ``python -m benchmarks.otsu_watershed [--root ARCHIVE] [--fold-table folds.csv]``.
"""

import itertools

import numpy as np

from benchmarks.held_out import arguments, judge, pictures, print_head
from benchmarks.otsu import Settings, nuclei_bright, segment
from data_modules.pictures import KINDS
from segmentation.scores import kaggle_score

GRID = [Settings(*values) for values in itertools.product((1.0, 2.0), (0.0, 0.5), (0.5, 1.0, 2.0), (24, 60))]


def main() -> None:
    """Choose the settings on validation, then print the held-out row."""
    options = arguments(__doc__).parse_args()
    chosen = dict.fromkeys(KINDS, Settings())
    validation = pictures(options, "validation")
    for kind in KINDS:
        of_kind = [
            (nuclei_bright(picture.pixels, picture.kind), picture.labels)
            for picture in validation
            if picture.kind == kind
        ]
        if of_kind:
            scores = [np.mean([kaggle_score(segment(grey, s), truth) for grey, truth in of_kind]) for s in GRID]
            chosen[kind] = GRID[int(np.argmax(scores))]
        print(f"{kind}: {chosen[kind]}")
    held_out = pictures(options, "test")
    print_head(held_out, "held-out")
    judge("Otsu and watershed", held_out, lambda p: segment(nuclei_bright(p.pixels, p.kind), chosen[p.kind]))


if __name__ == "__main__":
    main()
