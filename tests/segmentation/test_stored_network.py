"""Networks without PyTorch: their weights' shapes against its own, and what a lying bundle meets."""

from typing import Any

import numpy as np
import pytest
import torch

from segmentation import UNet
from segmentation.errors import ParameterError
from segmentation.networks import Network, network_name
from segmentation.residual_unet import ResidualUNet
from segmentation.stored_network import StoredNetwork
from segmentation.weight_shapes import weight_shapes

NETWORKS: list[Network] = [
    UNet(),
    UNet(1, 3, (2, 3, 4), (0, 0.5, 1)),
    ResidualUNet(),
    ResidualUNet(1, 2, (3, 5), block=1),
    ResidualUNet(4, 3, (2, 3, 4), block=4, fine=3),
]


@pytest.mark.parametrize("network", NETWORKS)
def test_shapes_are_pytorchs(network: Network) -> None:
    state = network.state_dict()
    shapes = weight_shapes(network_name(network), network.arguments)
    assert list(shapes.items()) == [(key, tuple(value.shape)) for key, value in state.items()]


@pytest.mark.parametrize("network", NETWORKS)
def test_stored_and_built_again(network: Network) -> None:
    stored = StoredNetwork.of(network)
    stored.check()
    assert (stored.stride, stored.inputs) == (network.stride, network.arguments["in_channels"])
    assert stored.outputs == network.arguments["out_channels"]
    built = stored.build()
    assert not built.training
    for key, value in network.state_dict().items():
        torch.testing.assert_close(built.state_dict()[key], value, rtol=0, atol=0)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.zero_()
    assert any(np.any(value) for value in stored.weights.values())  # the copies are the network's own


def test_bundles_from_before_the_fine_branch() -> None:
    arguments = {key: value for key, value in ResidualUNet().arguments.items() if key != "fine"}
    assert weight_shapes("residual_unet", arguments) == weight_shapes("residual_unet", ResidualUNet().arguments)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channels": [2]}, "channels=.*: at least two whole numbers"),
        ({"channels": [2, True]}, "channels="),
        ({"channels": 7}, "channels=7"),
        ({"channels": [2, 10**30]}, "down.1.0.bias is not of the size"),
        ({"in_channels": 0}, "in_channels=0: a whole number, 1 or more"),
        ({"out_channels": 1.5}, "out_channels=1.5"),
        ({"dropout": [0.0]}, "dropout=.*: as many rates"),
        ({"dropout": [0.0, float("nan")]}, "dropout="),
        ({"dropout": "ab"}, "dropout="),
        ({"depth": 3}, "argument 'depth' of unet is not known"),
    ],
)
def test_lies_are_told_without_taking_memory(changes: dict[str, Any], words: str) -> None:
    stored = StoredNetwork.of(UNet(channels=(2, 3), dropout=(0, 0)))
    with pytest.raises(ValueError, match=words):
        StoredNetwork(stored.name, {**stored.arguments, **changes}, stored.weights).check()


def test_weights_that_are_no_numbers() -> None:
    stored = StoredNetwork.of(UNet(channels=(2, 3), dropout=(0, 0)))
    for value in (np.nan, np.inf):
        broken = {**stored.weights, "head.bias": np.full(1, value, np.float32)}
        with pytest.raises(ValueError, match=r"head\.bias holds values that are no finite numbers"):
            StoredNetwork(stored.name, stored.arguments, broken).check()
    with pytest.raises(ValueError, match=r"head\.bias"):
        StoredNetwork(stored.name, stored.arguments, {**stored.weights, "head.bias": np.zeros(2, np.float32)}).check()
    with pytest.raises(ValueError, match="argument 'channels' of unet is missing"):
        weight_shapes("unet", {"in_channels": 1, "out_channels": 1, "dropout": []})
    with pytest.raises(ValueError, match="network 'vit': choose one of unet, residual_unet"):
        weight_shapes("vit", {})


def test_other_networks_are_not_known() -> None:
    with pytest.raises(ParameterError, match="network of type Conv2d"):
        StoredNetwork.of(torch.nn.Conv2d(1, 1, 1))  # type: ignore[arg-type]
