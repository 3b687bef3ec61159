"""ONNX files give what PyTorch gives, at any size, in a runtime that knows nothing of this project."""

import copy
import json
import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from segmentation import Bundle, Segmenter, UNet
from segmentation.errors import BundleError
from segmentation.examples import make_example
from segmentation.image_io import read_image
from segmentation.onnx_export import network_graph, onnx_bytes
from tests.segmentation import exported

# The network was traced with two pictures of a few strides' side.
SHAPES = [(1, 1, 1), (1, 8, 8), (2, 33, 31), (3, 100, 77), (1, 1, 50), (1, 129, 8)]


@pytest.mark.parametrize("kind", ["unet", "residual_unet"])
@pytest.mark.parametrize("shape", SHAPES)
def test_equal_to_pytorch(kind: str, shape: tuple[int, int, int]) -> None:
    count, height, width = shape
    images = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))
    network = exported.network(kind)
    with torch.inference_mode():
        expected = network(images).numpy()
    assert height * width < 100 or expected.std() > 0.02  # else nothing would be compared
    maps = exported.run(onnx_bytes(exported.bundle(kind), network=exported.graph(kind)), images.numpy())
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, expected, atol=1e-4, rtol=0)


PICTURES = {
    "grey": make_example("fluorescence", 1, height=97, width=150, nuclei=8).pixels,
    "RGB": make_example("tissue", 2, height=130, width=66, nuclei=8).pixels,
    "16 bit": make_example("fluorescence", 3, height=64, width=64, nuclei=4).pixels.astype(np.uint16) * 200 + 3000,
    "one value": np.full((40, 50), 9, np.uint8),
}


@pytest.mark.parametrize("magnification", [1.0, 1.5, 0.4])
@pytest.mark.parametrize("name", PICTURES)
def test_raw_pixels_give_what_the_segmenter_gives(name: str, magnification: float) -> None:
    bundle = exported.bundle(magnification=magnification, block=64)  # so that most are measured in several parts
    image = read_image(PICTURES[name])
    model = onnx_bytes(bundle, preprocessing=True, network=exported.graph())
    maps = exported.run(model, image.pixels.transpose(2, 0, 1)[None])[0]
    np.testing.assert_allclose(maps, Segmenter(bundle, "cpu").predict_maps(image), atol=1e-4, rtol=0)


@pytest.mark.parametrize("grey", [False, True])
def test_prepared_pixels_are_magnified_in_the_graph(grey: bool) -> None:
    bundle = exported.bundle(magnification=1.5)
    image = read_image(PICTURES["grey"])
    prepared = bundle.preprocessing(image.pixels).transpose(2, 0, 1)[None]
    model = onnx_bytes(bundle, magnification=True, grey=grey, network=exported.graph())
    maps = exported.run(model, prepared[:, :1] if grey else prepared)[0]
    np.testing.assert_allclose(maps, Segmenter(bundle, "cpu").predict_maps(image), atol=1e-4, rtol=0)


def test_what_the_file_says_of_itself() -> None:
    bundle = exported.bundle(magnification=1.5)
    model = onnx.load_from_string(onnx_bytes(bundle, preprocessing=True, network=exported.graph()))
    assert ([(each.domain, each.version) for each in model.opset_import], model.ir_version) == ([("", 17)], 8)
    said = {each.key: json.loads(each.value) for each in model.metadata_props}
    assert said["maps"] == ["foreground", "distance"]
    assert (said["revision"], said["magnification"], said["stride"]) == ("abc123", 1.5, 4)
    assert said["decode"]["threshold"] == bundle.decode.threshold
    assert said["preprocessing"] == {"channels": 3, "low_percentile": 0.05, "high_percentile": 99.95, "block": 1024}
    assert said["inside"] == ["preprocessing", "magnification"]
    plain = onnxruntime.InferenceSession(onnx_bytes(bundle, network=exported.graph()))
    [takes], [gives] = plain.get_inputs(), plain.get_outputs()
    assert (takes.name, takes.shape) == ("image", ["batch", 3, "height", "width"])
    assert (gives.name, gives.shape) == ("maps", ["batch", 2, "height", "width"])
    assert json.loads(plain.get_modelmeta().custom_metadata_map["inside"]) == []


def test_the_same_weights_give_the_same_bytes_and_nothing_else(
    project_root: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """However the network lies in memory, and with dropout on, which is left out; it stays as it is."""
    network = copy.deepcopy(exported.network("unet")).train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    before = {name: (value.clone(), value.stride()) for name, value in network.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = network_graph(network)
    assert network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name][0])
        assert value.stride() == before[name][1]
    assert capfd.readouterr() == ("", "")
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
    data = onnx_bytes(exported.bundle("unet"), preprocessing=True, network=again)
    assert data == onnx_bytes(exported.bundle("unet"), preprocessing=True, network=exported.graph("unet"))
    assert b"Dropout" not in data
    assert str(project_root).encode() not in data
    assert b".py" not in data


def test_a_network_that_the_exporter_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.onnx.errors.OnnxExporterError("no such\noperator")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(BundleError, match=r"cannot be written as ONNX \(no such operator\)"):
        onnx_bytes(Bundle(UNet(channels=(2, 2), dropout=(0.0, 0.0))))
