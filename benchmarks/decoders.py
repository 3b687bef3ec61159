"""Ways to part nuclei, compared on one network that learned the maps of all of them, so with one training budget.

Each way's parameters are searched on the validation pictures, and the held-out ones are judged once. Behind each
name stands what decoding alone takes of one core.

Run: ``python -m benchmarks.decoders --model BUNDLE [--root ARCHIVE] [--fold-table folds.csv]``.
"""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.held_out import arguments, judge, pictures, print_head
from data_modules.pictures import LabelledPicture
from lightning_modules.decode_search import search_decode
from segmentation import DecodeParams, MicroscopyImage, Segmenter
from segmentation.instance_maps import MapName, decode

WAYS: dict[str, tuple[tuple[MapName, ...], float]] = {  # the maps, and the separation to start the search from
    "foreground, watershed on its distance": (("foreground",), 0.75),
    "foreground and boundary, seeded watershed": (("foreground", "boundary"), 0.5),
    "foreground and relative distance, watershed": (("foreground", "distance"), 0.07),
    "foreground and flow, followed": (("foreground", "flow_y", "flow_x"), 1.0),
    "foreground and offset to the centre, voted": (("foreground", "offset_y", "offset_x"), 1.0),
}


def main() -> None:
    """Print one row for each way."""
    parser = arguments(__doc__)
    parser.add_argument("--model", type=Path, required=True, help="bundle that predicts every map")
    options = parser.parse_args()
    segmenter = Segmenter.from_pretrained(options.model)
    validation, held_out = pictures(options, "validation"), pictures(options, "test")

    def predict(found: list[LabelledPicture]) -> dict[str, NDArray[np.float32]]:
        return {p.name: segmenter.predict_maps(MicroscopyImage(p.pixels, p.name)) for p in found}

    maps = predict(validation) | predict(held_out)
    ways = {name: way for name, way in WAYS.items() if set(way[0]) <= set(segmenter.bundle.maps)}
    chosen = {}
    for name, (names, separation) in ways.items():
        rows = [segmenter.bundle.maps.index(n) for n in names]
        pairs = [(maps[p.name][rows], p.labels) for p in validation]
        chosen[name], score = search_decode(pairs, DecodeParams(separation=separation), names)
        print(f"{name}: {chosen[name]}, validation {score:.4f}", flush=True)
    print_head(held_out, "held-out")
    megapixels = sum(p.labels.size for p in held_out) / 1e6
    for name, (names, _) in ways.items():
        rows = [segmenter.bundle.maps.index(n) for n in names]
        start = time.process_time()
        labels = [decode(maps[p.name][rows], chosen[name], names) for p in held_out]
        seconds = (time.process_time() - start) / megapixels
        answers = iter(labels)
        judge(f"{name} ({seconds:.2f} s/megapixel)", held_out, lambda _: next(answers))  # noqa: B023  (used at once)


if __name__ == "__main__":
    main()
