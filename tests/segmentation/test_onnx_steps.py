"""Steps written in ONNX give what NumPy, OpenCV and this project's own code give."""

import cv2
import numpy as np
import onnxruntime
import pytest
from onnx import helper, parser

from segmentation import Preprocessing, onnx_steps
from segmentation.onnx_export import IR_VERSION, OPSET


def run(step: str, picture: np.ndarray) -> np.ndarray:
    """``(N, C, H, W)`` through a step from ``source`` to ``result``."""
    shape = "float[batch, channels, height, width]"
    graph = parser.parse_graph(f"step ({shape} source) => ({shape} result) {{ {step} }}")
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"source": picture.astype(np.float32)})[0]


def planes(picture: np.ndarray) -> np.ndarray:
    return picture.transpose(2, 0, 1)[None]


GENERATOR = np.random.default_rng(0)
PICTURES = {
    "grey 8 bit": GENERATOR.integers(0, 256, (97, 150, 1)).astype(np.uint8),
    "RGB": GENERATOR.integers(0, 256, (130, 66, 3)).astype(np.uint8),
    "16 bit": GENERATOR.integers(40_000, 65_536, (64, 65, 1)).astype(np.uint16),
    "negative": GENERATOR.normal(-5, 2, (70, 200, 1)).astype(np.float32),
    "tiny range far from 0": (1e6 + GENERATOR.random((65, 64, 1))).astype(np.float32),
    "one value": np.full((80, 80, 3), 7, np.uint8),
    "nearly one value": np.pad(np.ones((1, 1, 1), np.uint8), ((60, 80), (60, 80), (0, 0))),
    "one pixel": np.ones((1, 1, 1), np.uint8),
    "a row": GENERATOR.integers(0, 256, (1, 129, 1)).astype(np.uint8),
    "bright in one part": np.pad(np.ones((20, 20, 1), np.uint8) * 200, ((0, 180), (150, 0), (0, 0))),
}


@pytest.mark.parametrize("percentiles", [(0.05, 99.95), (0, 100), (30, 60)])
@pytest.mark.parametrize("name", PICTURES)
def test_stretch(name: str, percentiles: tuple[float, float]) -> None:
    picture, preprocessing = PICTURES[name], Preprocessing(3, *percentiles, block=64)
    step = onnx_steps.stretch(preprocessing, "source", "grey") + onnx_steps.repeat(3, "grey", "result")
    np.testing.assert_allclose(run(step, planes(picture)), planes(preprocessing(picture)), atol=2e-6)


def test_each_picture_of_a_batch_is_stretched_by_itself() -> None:
    batch = np.stack([GENERATOR.normal(mean, mean, (1, 70, 80)) for mean in (1, 100, 10_000)]).astype(np.float32)
    step = onnx_steps.stretch(Preprocessing(block=64), "source", "result")
    alone = np.concatenate([run(step, picture[None]) for picture in batch])
    np.testing.assert_array_equal(run(step, batch), alone)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 20), (64, 96), (101, 57)])
@pytest.mark.parametrize("factor", [0.1, 0.3, 0.5, 0.66, 1.5, 2.0, 2.37])
def test_magnify_and_shrink(factor: float, shape: tuple[int, int]) -> None:
    picture = GENERATOR.random((*shape, 3)).astype(np.float32)
    size = tuple(max(round(side * factor), 1) for side in shape[::-1])
    larger = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    larger = larger.reshape(*size[::-1], 3)
    found = run(onnx_steps.magnify(factor, "source", "result"), planes(picture))
    np.testing.assert_allclose(found, planes(larger), atol=2e-5)
    back = cv2.resize(larger, shape[::-1], interpolation=cv2.INTER_LINEAR).reshape(*shape, 3)
    both = onnx_steps.magnify(factor, "source", "larger") + onnx_steps.shrink("larger", "result")
    np.testing.assert_allclose(run(both, planes(picture)), planes(back), atol=2e-5)


@pytest.mark.parametrize("shape", [(1, 1), (8, 16), (9, 15), (3, 40)])
def test_pad_and_crop(shape: tuple[int, int]) -> None:
    picture = GENERATOR.random((2, 3, *shape)).astype(np.float32)
    after = [(0, 0), (0, 0), *((0, -side % 8) for side in shape)]
    np.testing.assert_array_equal(run(onnx_steps.pad(8, "source", "result"), picture), np.pad(picture, after, "edge"))
    both = onnx_steps.pad(8, "source", "larger") + onnx_steps.crop("larger", "result")
    np.testing.assert_array_equal(run(both, picture), picture)
