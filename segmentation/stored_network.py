"""A trained network as it lies in a bundle: what it is called, its arguments and its weights. Needs no PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segmentation.weight_shapes import weight_shapes

if TYPE_CHECKING:
    from segmentation.networks import Network


@dataclass(frozen=True, eq=False)
class StoredNetwork:
    """A network without the code that trains it; :meth:`build` makes PyTorch's own of it.

    Attributes:
        name: as ``segmentation.networks.NETWORKS`` knows it.
        arguments: of that class.
        weights: as PyTorch's ``state_dict`` names them.
    """

    name: str
    arguments: dict[str, Any]
    weights: Mapping[str, NDArray[Any]]

    @classmethod
    def of(cls, network: "Network") -> "StoredNetwork":
        """The weights as they are now; later training does not change them."""
        from segmentation.networks import network_name

        weights = {key: value.detach().cpu().numpy().copy() for key, value in network.state_dict().items()}
        return cls(network_name(network), dict(network.arguments), weights)

    @property
    def stride(self) -> int:
        """Pixels of the picture that a pixel of the coarsest level stands for, along one axis."""
        return int(self.arguments.get("block", 1) * 2 ** (len(self.arguments["channels"]) - 1))

    @property
    def inputs(self) -> int:
        """Channels of the prepared picture."""
        return int(self.arguments["in_channels"])

    @property
    def outputs(self) -> int:
        """Maps that it predicts."""
        return int(self.arguments["out_channels"])

    def check(self) -> None:
        """Compare the weights with what the arguments ask for; no memory is taken for what they only claim.

        Raises:
            ValueError: if the arguments describe no network, weights are missing, left over or of another size, or
                some are no finite numbers.
        """
        wanted = weight_shapes(self.name, self.arguments)
        shapes = {key: value.shape for key, value in self.weights.items()}
        odd = sorted(key for key in wanted.keys() | shapes.keys() if wanted.get(key) != shapes.get(key))
        if odd:
            raise ValueError(f"{odd[0]} is not of the size that the network has there")
        for key, value in self.weights.items():
            if value.dtype.kind not in "fiu" or not np.isfinite(value).all():
                raise ValueError(f"{key} holds values that are no finite numbers")

    def build(self) -> "Network":
        """PyTorch's own network with these weights, in evaluation mode; checked weights always fit."""
        import torch

        from segmentation.networks import NETWORKS

        with torch.device("meta"):  # no random weights are drawn, and no memory is taken, for what is replaced at once
            network = NETWORKS[self.name](**self.arguments)
        state = {key: torch.from_numpy(np.array(value)) for key, value in self.weights.items()}
        network.to_empty(device="cpu").load_state_dict(state)
        return network.eval()
