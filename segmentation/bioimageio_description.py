"""What a BioImage.IO package says of itself: rdf.yaml, and a README for people.

The format is 0.5 (https://github.com/bioimage-io/spec-bioimage-io). Of that, only what was there from the beginning is
used: channels of a fixed number, sizes with a smallest and a step, and preparation that every reader knows.
"""

import hashlib
import re
from dataclasses import asdict
from typing import Any

from segmentation.bundle import Bundle
from segmentation.onnx_export import INPUT, OPSET, OUTPUT

FORMAT_VERSION = "0.5.3"  # readers of a later 0.5 take it, and older ones know no later
DESCRIPTION, WEIGHTS, DOCUMENTATION = "rdf.yaml", "weights.onnx", "README.md"
TEST_INPUT, TEST_OUTPUT, COVER = "test_input.npy", "test_output.npy", "cover.png"
SAMPLE_INPUT, SAMPLE_OUTPUT = "sample_input.tif", "sample_output.tif"  # the same, to look at and to try with
HALO = 32  # pixels at a tile's border that are not to be trusted
AUTHOR = "Nucleoscope developers"
# Names by which the Hub knows licences -> SPDX, which this format asks for. What is not here is left to the README.
_LICENCES = (
    "Apache-2.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CC-BY-4.0",
    "CC-BY-SA-4.0",
    "CC-BY-NC-4.0",
)
_SPDX = {name.lower(): name for name in _LICENCES}
_CITE = (
    {
        "text": "Caicedo et al. Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl. Nature "
        "Methods 16, 1247-1253 (2019)",
        "doi": "10.1038/s41592-019-0612-7",
    },
    {
        "text": "Ronneberger, Fischer and Brox. U-Net: Convolutional Networks for Biomedical Image Segmentation (2015)",
        "url": "https://arxiv.org/abs/1505.04597",
    },
)
_TAGS = (
    *("nuclei", "cells", "2d", "fluorescence-light-microscopy", "transmission-light-microscopy", "unet", "pytorch"),
    *("semantic-segmentation", "instance-segmentation", "deepimagej", "fiji", "ilastik", "nucleoscope"),
)


def describe(bundle: Bundle, files: dict[str, bytes], license: str, channels: int, side: int) -> dict[str, Any]:
    """What ``rdf.yaml`` is to hold.

    Args:
        bundle: the model.
        files: the package's other files, whose hashes are stated.
        license: of the weights, as the Hub abbreviates it.
        channels: of the pictures that the package's network takes.
        side: of the smallest tile, in pixels; larger ones grow by the network's stride.
    """

    def entry(name: str) -> dict[str, Any]:
        return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}

    spatial = [{"type": "space", "id": axis, "size": {"min": side, "step": bundle.network.stride}} for axis in "yx"]
    same = [{"type": "space", "id": axis, "size": {"tensor_id": INPUT, "axis_id": axis}, "halo": HALO} for axis in "yx"]
    stretch = {
        "axes": ["channel", "y", "x"],
        "min_percentile": bundle.preprocessing.low_percentile,
        "max_percentile": bundle.preprocessing.high_percentile,
    }
    return {
        "format_version": FORMAT_VERSION,
        "type": "model",
        # deepImageJ's reader fails on a description without an id.
        "id": f"nucleoscope-{bundle.revision or 'unsaved'}",
        "name": "Nucleoscope nuclei (grey)" if channels == 1 else "Nucleoscope nuclei",
        "description": "Finds nuclei in fluorescence, bright-field and stained-tissue pictures: "
        f"{' and '.join(bundle.maps)} for each pixel. For research, not for diagnosis.",
        "covers": [COVER],
        "authors": [{"name": AUTHOR}],
        "cite": [dict(each) for each in _CITE],
        **({"license": _SPDX[license.lower()]} if license.lower() in _SPDX else {}),
        "tags": list(_TAGS),
        "documentation": DOCUMENTATION,
        "inputs": [
            {
                "id": INPUT,
                "description": "the picture as it is, in any range",
                "axes": [{"type": "batch"}, {"type": "channel", "channel_names": channel_names(channels)}, *spatial],
                "test_tensor": entry(TEST_INPUT),
                "sample_tensor": entry(SAMPLE_INPUT),
                "data": {"type": "float32"},
                "preprocessing": [
                    {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
                    {"id": "scale_range", "kwargs": stretch},
                    {"id": "clip", "kwargs": {"min": 0.0, "max": 1.0}},
                ],
            }
        ],
        "outputs": [
            {
                "id": OUTPUT,
                "description": "probabilities",
                "axes": [{"type": "batch"}, {"type": "channel", "channel_names": list(bundle.maps)}, *same],
                "test_tensor": entry(TEST_OUTPUT),
                "sample_tensor": entry(SAMPLE_OUTPUT),
                "data": {"type": "float32", "range": [0.0, 1.0]},
            }
        ],
        "weights": {"onnx": {**entry(WEIGHTS), "opset_version": OPSET}},
        "config": {
            "nucleoscope": {
                "revision": bundle.revision,
                "magnification": bundle.magnification,
                "decode": asdict(bundle.decode),
            }
        },
    }


def channel_names(channels: int) -> list[str]:
    """A name for each channel: deepImageJ counts channels by their names."""
    return {1: ["grey"], 3: ["red", "green", "blue"]}.get(channels, [f"channel{index}" for index in range(channels)])


_README = """# Nucleoscope nuclei

Input: one 2D picture of CHANNELS, in any range.
Output, from 0 to 1: MAPS. Foreground is where that map is at least THRESHOLD.
CUT
The picture is stretched so that its percentiles LOW and HIGH become 0 and 1. Nucleoscope measures them in parts of at
most BLOCK pixels and takes the widest range, so that in larger pictures the two differ. A program that measures each
tile by itself stretches an empty one until its noise looks like nuclei: give it tiles that hold nuclei.

The network sees the picture magnified MAGNIFICATION times. That is inside the ONNX file, and the maps are as large as
the picture.

## Training

TRAINING

## Validation

Validation pictures chose the checkpoint and the decode parameters, so their scores flatter; held-out ones chose
nothing. On pictures of your own: draw the outlines of some nuclei, and compare the IoU of the foreground, and how many
nuclei match one of yours with an IoU of 0.5.

| score | value |
| --- | --- |
SCORES

## Limits

For research, not for diagnosis. Accuracy on pictures unlike the training data is unknown: look at the result before you
trust a count.

Licence of the weights: LICENCE. Their SHA-256 begins with `REVISION`.
"""
_CUT = "Touching nuclei are cut along the valleys of the map of distance (a watershed, one seed for each maximum).\n"
_SURE = "Objects whose mean foreground is below {} are dropped.\n"


def render_readme(bundle: Bundle, license: str, channels: int) -> str:
    """``README.md`` of the package; arguments as in :func:`describe`."""
    preprocessing, decode = bundle.preprocessing, bundle.decode
    cut = decode.mode == "instances" and decode.separation > 0 and "distance" in bundle.maps
    values = {
        "CHANNELS": f"{channels} channel{'s' if channels > 1 else ''} ({', '.join(channel_names(channels))})",
        "MAPS": ", ".join(bundle.maps),
        "THRESHOLD": str(decode.threshold),
        "CUT": (_CUT if cut else "") + (_SURE.format(decode.min_probability) if decode.min_probability else ""),
        "LOW": str(preprocessing.low_percentile),
        "HIGH": str(preprocessing.high_percentile),
        "BLOCK": str(preprocessing.block),
        "MAGNIFICATION": str(bundle.magnification),
        "TRAINING": "\n".join(f"- {name}: {value}" for name, value in bundle.training.items()) or "Not recorded.",
        "SCORES": "\n".join(map(_row, bundle.scores.items())) or "| not recorded | |",
        "LICENCE": license,
        "REVISION": bundle.revision,
    }
    # In one pass, so that nothing in a value is taken for a name.
    return re.sub("|".join(values), lambda found: values[found[0]], _README)


def _row(score: tuple[str, Any]) -> str:
    name, value = score
    return f"| {name} | {value:.4f} |" if isinstance(value, float) else f"| {name} | {value} |"
