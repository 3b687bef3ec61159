"""Whether fewer bits than float32 pay on this processor: time and accuracy of the shipped network in 16 and 8 bits.

8 bits need NNCF (Apache-2.0), which the project does not: ``pip install nncf==3.4.0`` first, and without it that row
is left out. It quantises after training, on pictures of the training part; accuracy is of the validation part, with
the decode parameters of the float32 network.

Run: ``python -m benchmarks.fewer_bits [--root ARCHIVE] [--fold-table folds.csv]``.
"""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.held_out import arguments, judge, pictures, print_head
from benchmarks.timing import timed
from data_modules.pictures import LabelledPicture
from segmentation import Bundle, Segmenter
from segmentation.examples import make_example
from segmentation.openvino_graph import graph_of
from segmentation.quiet_openvino import ov

MODEL = Path(__file__).resolve().parents[1] / "checkpoints" / "nuclei"
SIDE = 1024


def main() -> None:
    """Print one table of accuracy and one of times."""
    parser = arguments(__doc__)
    parser.add_argument("--calibration", type=int, default=200, help="pictures that set the ranges of 8 bits")
    options = parser.parse_args()
    bundle = Bundle.load(MODEL)
    segmenters: dict[str, Segmenter] = {
        "float32": Segmenter(bundle, "cpu", "openvino"),
        "16 bits": Segmenter(bundle, "cpu", "openvino-bf16"),
    }
    if find_spec("nncf"):
        graph = quantised(bundle, pictures(options, "train"), options.calibration)
        with patch("segmentation.openvino_graph.graph_of", lambda _network: graph):
            segmenters["8 bits"] = Segmenter(bundle, "cpu", "openvino")
    found = pictures(options, "validation")
    print_head(found, "validation")
    for name, segmenter in segmenters.items():
        judge(name, found, segmenting(segmenter))
    pixels = make_example("fluorescence", 0, height=SIDE, width=SIDE, nuclei=500).pixels
    prepared = bundle.preprocessing(pixels)
    print(f"\n{SIDE} x {SIDE}, network alone, magnification 1:\n\n| bits | seconds | x float32 |\n| --- | --- | --- |")
    seconds = {
        name: timed(lambda one=segmenter: one.predict_prepared(prepared), 7)  # type: ignore[misc]
        for name, segmenter in segmenters.items()
    }
    for name, each in seconds.items():
        print(f"| {name} | {each:.3f} | {each / seconds['float32']:.2f} |")


def segmenting(segmenter: Segmenter) -> Callable[[LabelledPicture], NDArray[Any]]:
    """What :func:`benchmarks.held_out.judge` asks of a method."""
    return lambda picture: segmenter(picture.pixels).labels


def quantised(bundle: Bundle, training: list[LabelledPicture], count: int) -> ov.Model:
    """The network in 8 bits where NNCF finds that they do, its ranges set by ``count`` pictures."""
    import nncf  # type: ignore[import-not-found, unused-ignore]  # not among the project's packages

    step = max(len(training) // count, 1)
    crops = list(islice(_inputs(bundle, training[::step]), count))
    return nncf.quantize(
        graph_of(bundle.stored),
        nncf.Dataset(crops),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(crops),
    )


def _inputs(bundle: Bundle, training: list[LabelledPicture]) -> Iterator[NDArray[np.float32]]:
    """Crops as the network sees them, ``(1, H, W, C)``."""
    stride, factor = bundle.stored.stride, bundle.magnification
    for picture in training:
        prepared = bundle.preprocessing(picture.pixels)
        seen = cv2.resize(prepared, None, fx=factor, fy=factor)
        height, width = (min(extent // stride * stride, 512) for extent in seen.shape[:2])
        if min(height, width) >= stride:
            yield np.ascontiguousarray(seen[None, :height, :width])


if __name__ == "__main__":
    main()
