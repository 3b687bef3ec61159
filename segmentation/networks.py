"""The networks by the names that bundles know them by."""

from collections.abc import Sequence
from typing import Any

import torch

from segmentation.errors import ParameterError
from segmentation.residual_unet import ResidualUNet
from segmentation.unet import UNet

Network = UNet | ResidualUNet
NETWORKS: dict[str, type[UNet] | type[ResidualUNet]] = {"unet": UNet, "residual_unet": ResidualUNet}


def network_name(network: Network) -> str:
    """The name under which ``NETWORKS`` has its class.

    Raises:
        ParameterError: if it is another network.
    """
    for name, kind in NETWORKS.items():
        if type(network) is kind:
            return name
    raise ParameterError(f"network of type {type(network).__name__}: only UNet and ResidualUNet are known here.")


def channels_last(network: Network) -> Network:
    """The same network with its weights in the memory layout in which convolutions run fastest."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs


def with_outputs(network: Network, outputs: int) -> Network:
    """The same kind of network with fresh weights and ``outputs`` maps; itself if it has as many."""
    if network.arguments["out_channels"] == outputs:
        return network
    arguments: dict[str, Any] = {**network.arguments, "out_channels": outputs}
    return NETWORKS[network_name(network)](**arguments)


def keep_outputs(network: Network, indices: Sequence[int]) -> Network:
    """A copy of the network that predicts these of its maps alone, in this order."""
    arguments: dict[str, Any] = {**network.arguments, "out_channels": len(indices)}
    kept = NETWORKS[network_name(network)](**arguments)
    maps = int(str(network.arguments["out_channels"]))
    state = network.state_dict()
    for key in _answers(network):
        rows = state[key].unflatten(0, (maps, -1))  # each map has its channels next to each other
        state[key] = rows[list(indices)].flatten(0, 1)
    kept.load_state_dict(state)
    return kept.train(network.training)


def _answers(network: Network) -> list[str]:
    """Weights and biases of the layers whose channels are the maps."""
    if isinstance(network, UNet):
        layers = ["head"]
    else:
        layers = ["head.1"] if network.fine is None else ["head.1", "fine.correct"]
    return [f"{layer}.{name}" for layer in layers for name in ("weight", "bias")]
