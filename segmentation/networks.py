"""The networks by the names that bundles know them by."""

import torch

from segmentation.residual_unet import ResidualUNet
from segmentation.unet import UNet

Network = UNet | ResidualUNet
NETWORKS: dict[str, type[UNet] | type[ResidualUNet]] = {"unet": UNet, "residual_unet": ResidualUNet}


def network_name(network: Network) -> str:
    """The name under which ``NETWORKS`` has its class."""
    return next(name for name, kind in NETWORKS.items() if type(network) is kind)


def channels_last(network: Network) -> Network:
    """The same network with its weights in the memory layout in which convolutions run fastest."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
