"""New weights without training: the mean of several networks, and a wider network that answers as the old one does.

Fine-tuned networks that began from the same weights lie in one valley, and their mean is often better than each
(Wortsman et al. 2022, arXiv:2203.05482). A network that is too narrow need not start anew: widened so that it answers
as before, it learns from where it was (Chen et al. 2015, arXiv:1511.05641).

    python -m lightning_modules.weights mean NEW BUNDLE BUNDLE [--shares 2 1]
    python -m lightning_modules.weights widen NEW BUNDLE --channels 32 48 96 128 160
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from segmentation.bundle import Bundle
from segmentation.errors import NucleoscopeError, ParameterError
from segmentation.residual_unet import ResidualUNet
from segmentation.stored_network import StoredNetwork


def mean_of(bundles: Sequence[Bundle], shares: Sequence[float] | None = None) -> Bundle:
    """The first bundle with the weighted mean of all weights, running means of its normalisation included.

    Decode parameters, magnification and training notes stay the first one's, with a note of the mean, and scores are
    dropped: nobody has measured the mean yet.

    Args:
        bundles: of one network, the same maps and the same preprocessing.
        shares: how much each counts, more than 0; all alike by default.

    Raises:
        ParameterError: if there are none, they differ in these, or the shares are no such numbers.
    """
    shares = [1.0] * len(bundles) if shares is None else list(shares)
    if not bundles or len(shares) != len(bundles) or not all(0 < share < float("inf") for share in shares):
        raise ParameterError(
            f"shares={shares} for {len(bundles)} bundles: name a bundle or more, and a share above 0 each."
        )
    stored = [bundle.stored for bundle in bundles]
    first = stored[0]
    for bundle, other in zip(bundles, stored, strict=True):
        if (other.name, other.arguments, bundle.maps) != (first.name, first.arguments, bundles[0].maps):
            raise ParameterError(
                f"{other.name} {other.arguments} with maps {bundle.maps} and {first.name} {first.arguments} with maps "
                f"{bundles[0].maps} have no mean; name bundles of one network."
            )
        if bundle.preprocessing != bundles[0].preprocessing:
            raise ParameterError(
                f"{bundle.preprocessing} and {bundles[0].preprocessing}: networks that see pictures otherwise have no "
                "mean; name bundles of the same preprocessing."
            )
    parts = np.array(shares) / sum(shares)
    weights = {
        key: _mean([each.weights[key] for each in stored], parts).astype(first.weights[key].dtype)
        for key in first.weights
    }
    training = {
        **bundles[0].training,
        "weights": f"mean of {len(bundles)} bundles, shares {shares}; notes of the first",
    }
    source = StoredNetwork(first.name, first.arguments, weights)
    return replace(bundles[0], source=source, training=training, scores={}, revision="")


def _mean(arrays: Sequence[NDArray], parts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.tensordot(parts, np.stack([array.astype(np.float64) for array in arrays]), axes=1)


def widened(bundle: Bundle, channels: Sequence[int], seed: int = 0) -> Bundle:
    """The same answers from a residual U-Net with wider levels, to be trained on.

    New channels start at random, so that they differ, and whatever reads them starts with weights of zero, so that
    nothing changes until training finds a use for them.

    Args:
        bundle: of a ``ResidualUNet``.
        channels: of each level, finest first; as many levels as before, none narrower.
        seed: of the new channels.

    Raises:
        ParameterError: if the network is another, or the channels are not such.
    """
    old = bundle.stored
    before = old.arguments["channels"]
    if old.name != "residual_unet":
        raise ParameterError(f"{old.name}: only residual_unet can be widened; train such a network first.")
    if len(channels) != len(before) or any(new < now for new, now in zip(channels, before, strict=True)):
        raise ParameterError(f"channels={tuple(channels)}: one number for each of {tuple(before)}, none smaller.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResidualUNet(**{**old.arguments, "channels": list(channels)})
    wide = StoredNetwork.of(network)
    for key, values in wide.weights.items():
        known = old.weights[key]
        if values.ndim == 4:
            values[: len(known)] = 0  # rows of old channels read no new ones
        values[tuple(slice(size) for size in known.shape)] = known
    training = {**bundle.training, "weights": f"widened from {tuple(before)} channels"}
    return replace(bundle, source=wide, training=training, scores={}, revision="")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the new bundle, and say where."""
    parser = argparse.ArgumentParser(
        prog="python -m lightning_modules.weights",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    mean = commands.add_parser("mean", help="the mean of the weights of several bundles of one network")
    mean.add_argument("new", type=Path, help="folder of the new bundle")
    mean.add_argument("bundles", type=Path, nargs="+", help="folders of bundles")
    mean.add_argument("--shares", type=float, nargs="+", help="how much each counts (default: all alike)")
    widen = commands.add_parser("widen", help="the same answers from a wider residual U-Net, to train on from")
    widen.add_argument("new", type=Path, help="folder of the new bundle")
    widen.add_argument("bundle", type=Path, help="folder of a bundle")
    widen.add_argument("--channels", type=int, nargs="+", required=True, help="of each level, finest first")
    widen.add_argument("--seed", type=int, default=0, help="of the new channels (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        if options.command == "mean":
            bundle = mean_of([Bundle.load(folder) for folder in options.bundles], options.shares)
        else:
            bundle = widened(Bundle.load(options.bundle), options.channels, options.seed)
        print(f"Wrote {bundle.save(options.new)}; its scores are not measured: python -m lightning_modules.train test")
    except NucleoscopeError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
