"""StarDist 2D as its authors publish it, and its training for a few minutes; runs in StarDist's own environment.

Run by ``benchmarks.peers``: ``python -m benchmarks.peers_stardist PICTURES MODEL SECONDS`` trains on the
``train-*.npz`` of a folder and chooses the epoch and both thresholds on its ``validation-*.npz``, as StarDist's own
example does.
"""

import argparse
import json
import time
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers_base import Clock, Tool

# The architecture of the published '2D_versatile_fluo': 1,425,185 parameters.
ARCHITECTURE: dict[str, Any] = {"n_rays": 32, "grid": (2, 2), "n_channel_in": 1, "unet_n_filter_base": 32}
PATCH, BATCH, STEPS, VALIDATION_PATCHES = 128, 4, 40, 24  # smaller patches than the published: more steps in the time
TILE = 1024  # larger pictures go through in tiles, as ours do


class StarDist(Tool):
    """The trained model; what it takes to turn a picture into labels as its example does: normalise, then predict."""

    def __init__(self, model: Path) -> None:
        self.version = f"{metadata.version('stardist')}, TensorFlow {import_module('tensorflow').__version__}"
        self._model = import_module("stardist.models").StarDist2D(None, name=model.name, basedir=str(model.parent))
        self._normalize = import_module("csbdeep.utils").normalize
        self.network = Clock(self._model.keras_model.predict)
        self._model.keras_model.predict = self.network
        self.parameters = int(self._model.keras_model.count_params())
        self.weights_bytes = (model / "weights_best.h5").stat().st_size

    def __call__(self, pixels: NDArray) -> NDArray:
        """Pixels ``(H, W)`` -> labels ``(H, W)``."""
        tiles = tuple(-(-side // TILE) for side in pixels.shape)
        scaled = self._normalize(pixels, 1, 99.8)
        labels: NDArray = self._model.predict_instances(scaled, n_tiles=tiles, show_tile_progress=False)[0]
        return labels


def train(pictures: Path, model: Path, seconds: float) -> None:
    """Train for about ``seconds`` and tune the thresholds; ``model`` becomes a folder that :class:`StarDist` loads."""
    stardist, keras = import_module("stardist.models"), import_module("keras")
    normalize = import_module("csbdeep.utils").normalize
    parts: dict[str, tuple[list[NDArray], list[NDArray]]] = {}
    for part in ("train", "validation"):
        found = [np.load(path) for path in sorted(pictures.glob(f"{part}-*.npz"))]
        parts[part] = [normalize(each["pixels"], 1, 99.8) for each in found], [each["labels"] for each in found]
    config = stardist.Config2D(
        **ARCHITECTURE,
        train_patch_size=(PATCH, PATCH),
        train_batch_size=BATCH,
        train_n_val_patches=VALIDATION_PATCHES,
        train_tensorboard=False,
        train_reduce_lr={"factor": 0.5, "patience": 8, "min_delta": 0},
    )
    network = stardist.StarDist2D(config, name=model.name, basedir=str(model.parent))
    network.prepare_for_training()
    end, steps = time.monotonic() + seconds, 0

    class UntilTime(keras.callbacks.Callback):  # type: ignore[name-defined]
        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            nonlocal steps
            steps = (epoch + 1) * STEPS
            self.model.stop_training = time.monotonic() > end

    network.callbacks.append(UntilTime())
    network.train(
        *parts["train"],
        validation_data=parts["validation"],
        augmenter=turned,
        seed=0,
        epochs=9999,
        steps_per_epoch=STEPS,
    )
    network.optimize_thresholds(*parts["validation"])
    told = {"steps": steps, "batch_size": BATCH, "patch": PATCH, "pictures": len(parts["train"][0]), "seconds": seconds}
    (model / "trained.json").write_text(json.dumps(told), encoding="utf-8")


def turned(pixels: NDArray, labels: NDArray) -> tuple[NDArray, NDArray]:
    """Quarter turns, mirror images and brightness, as in StarDist's training example."""
    turns, mirror = np.random.randint(4), np.random.randint(2)  # noqa: NPY002  # `train` seeds this generator
    pixels, labels = np.rot90(pixels, turns), np.rot90(labels, turns)
    if mirror:
        pixels, labels = pixels[:, ::-1], labels[:, ::-1]
    return pixels * np.random.uniform(0.6, 2) + np.random.uniform(-0.2, 0.2), labels  # noqa: NPY002


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    train(options.pictures, options.model, options.seconds)


if __name__ == "__main__":
    main()
