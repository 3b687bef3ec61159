"""Tiny bundles and their ONNX files: the exporter takes seconds, so what it wrote is shared by all tests."""

from functools import cache

import numpy as np
import onnxruntime
import torch
from onnx import GraphProto

from segmentation import Bundle, Preprocessing, UNet
from segmentation.networks import Network
from segmentation.onnx_export import network_graph
from segmentation.residual_unet import ResidualUNet
from tests.conftest import bright_is_nucleus


@cache
def network(kind: str) -> Network:
    """Every weight and every running mean is drawn, so that none can be left out unseen."""
    torch.manual_seed(0)
    made = (
        UNet(channels=(2, 4), dropout=(0.1, 0.1))
        if kind == "unet"
        else ResidualUNet(out_channels=2, channels=(4, 6), fine=3)
    )
    for name, values in made.state_dict().items():
        if name.endswith("running_var"):
            values.uniform_(0.5, 2)
        elif values.is_floating_point():
            values.normal_(0.1, 0.4)
    return made.eval()


def bundle(kind: str = "residual_unet", *, magnification: float = 1.0, block: int = 1024) -> Bundle:
    maps = ("foreground",) if kind == "unet" else ("foreground", "distance")
    preprocessing = Preprocessing(block=block)
    return Bundle(network(kind), preprocessing, maps=maps, magnification=magnification, revision="abc123")  # type: ignore[arg-type]


def graph(kind: str = "residual_unet") -> GraphProto:
    return exported(network(kind))


def bright(_: Network) -> GraphProto:
    """The network of ``bright_is_nucleus``, whichever copy of it is asked for."""
    return exported(BRIGHT)


BRIGHT = bright_is_nucleus().network
exported = cache(network_graph)


def run(model: bytes, image: np.ndarray) -> np.ndarray:
    """The model's maps of ``(N, C, H, W)``."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    [maps] = session.run(None, {"image": image.astype(np.float32)})
    return maps
