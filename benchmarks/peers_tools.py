"""What is timed: one class a tool, each in a process and an environment of its own."""

from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers_base import Clock, Tool

ROOT = Path(__file__).resolve().parents[1]
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")  # of batch normalisation: stored, not learned


class Product(Tool):
    """The yardstick: a product of two matrices, 60 GFLOP, in NumPy."""

    def __init__(self) -> None:
        self.version = f"NumPy {np.__version__}"
        side = round((60e9 / 2) ** (1 / 3))
        self._matrix = np.random.default_rng(0).random((side, side), np.float32)

    def __call__(self, pixels: NDArray) -> None:
        """Multiply, whatever the picture."""
        self._matrix @ self._matrix


class Nucleoscope(Tool):
    """The shipped bundle through the public API."""

    def __init__(self, engine: str) -> None:
        from segmentation import Segmenter, __version__

        model = ROOT / "checkpoints" / "nuclei"
        known: Any = engine
        self._segmenter = Segmenter.from_pretrained(model, "cpu", engine=known)
        self.version = f"{__version__}, {self._segmenter.engine}"
        if self._segmenter.engine.startswith("openvino"):
            self.version += f" {metadata.version('openvino')}"
        weights = self._segmenter.bundle.stored.weights  # PyTorch's own network would have to be built first
        self.parameters = sum(each.size for key, each in weights.items() if not key.endswith(BUFFERS))
        self.weights_bytes = (model / "model.safetensors").stat().st_size
        self.network = Clock(self._segmenter.predict_prepared)
        setattr(self._segmenter, "predict_prepared", self.network)  # noqa: B010  # mypy guards plain assignment

    def __call__(self, pixels: NDArray) -> NDArray:
        """As users call it."""
        return self._segmenter(pixels).labels


class Otsu(Tool):
    """The classical way with the settings it begins with; parted as Nucleoscope parts nuclei, or by scikit-image."""

    def __init__(self, scikit_image: bool = False) -> None:
        from benchmarks import otsu

        self._way, self._segment = otsu, otsu.segment_with_scikit_image if scikit_image else otsu.segment
        self.version = f"SciPy {metadata.version('scipy')}, scikit-image {metadata.version('scikit-image')}"

    def __call__(self, pixels: NDArray) -> NDArray:
        """Threshold and watershed."""
        return self._segment(self._way.nuclei_bright(pixels[..., None], "fluorescence"), self._way.Settings())


class Cellpose(Tool):
    """Cellpose 3 with weights drawn at random: its real network, then its real dynamics on the flows of the truth.

    What the network answers is thrown away and replaced by the true flows and probabilities, so that following them
    meets as many nuclei as with trained weights. The picture is not resized.
    """

    def __init__(self) -> None:
        logging = import_module("logging")
        logging.getLogger("cellpose").setLevel("ERROR")  # it warns of the network's weights
        torch = import_module("torch")
        self._flows = import_module("cellpose.dynamics").masks_to_flows
        self._model = import_module("cellpose.models").CellposeModel(gpu=False, pretrained_model=False)
        self.version = f"{metadata.version('cellpose')}, PyTorch {torch.__version__}"
        self.parameters = sum(each.numel() for each in self._model.net.parameters())
        self.weights_bytes = sum(each.numel() * each.element_size() for each in self._model.net.state_dict().values())
        self.network = self._run = Clock(self._model._run_net)
        self._model._run_net = self._answer
        self._truth: tuple[NDArray, NDArray] | None = None

    def _answer(self, *arguments: Any, **named: Any) -> Any:
        answered, styles = self._run(*arguments, **named)[1:]
        assert self._truth is not None
        flows, probability = self._truth
        assert probability.shape == answered.shape
        return flows, probability, styles

    def prepare(self, labels: NDArray) -> None:
        """Flows and probabilities as a trained network would give them: flows five times unit length, logits."""
        flows = 5 * self._flows(labels.astype(int))
        self._truth = flows[:, None].astype(np.float32), np.where(labels > 0, 6, -6)[None].astype(np.float32)

    def __call__(self, pixels: NDArray) -> NDArray:
        """All of ``eval``: normalising, tiling, network, dynamics, checks of the flows."""
        masks: NDArray = self._model.eval(pixels, channels=[0, 0], rescale=1.0)[0]
        return masks


class InstanSeg(Tool):
    """InstanSeg's network with weights drawn at random, in tiles of 512 pixels; what follows the network is not run."""

    TILE = 512

    def __init__(self) -> None:
        torch = import_module("torch")
        network = import_module("instanseg.utils.models.InstanSeg_UNet").InstanSeg_UNet
        self._torch = torch
        self._network = network(3, [[2, 2, 1]], layers=[256, 128, 64, 32]).eval()  # as its training script builds it
        self.version = f"{metadata.version('instanseg-torch')}, PyTorch {torch.__version__}"
        self.parameters = sum(each.numel() for each in self._network.parameters())
        self.weights_bytes = sum(each.numel() * each.element_size() for each in self._network.state_dict().values())
        self.network = self._run = Clock(self._network)

    def __call__(self, pixels: NDArray) -> None:
        """The network on tiles that do not overlap, which is less than the tool itself does."""
        batch = self._torch.from_numpy(pixels).float().div(255).expand(1, 3, *pixels.shape)
        with self._torch.inference_mode():
            for top in range(0, pixels.shape[0], self.TILE):
                for left in range(0, pixels.shape[1], self.TILE):
                    self._run(batch[..., top : top + self.TILE, left : left + self.TILE])


def _stardist(weights: Path) -> Tool:
    from benchmarks.peers_stardist import StarDist

    return StarDist(weights)


TOOLS: dict[str, Callable[[Path], Tool]] = {
    "product": lambda weights: Product(),
    "nucleoscope": lambda weights: Nucleoscope("auto"),
    "nucleoscope-bf16": lambda weights: Nucleoscope("openvino-bf16"),
    "otsu": lambda weights: Otsu(),
    "otsu-scikit": lambda weights: Otsu(scikit_image=True),
    "stardist": _stardist,
    "cellpose": lambda weights: Cellpose(),
    "instanseg": lambda weights: InstanSeg(),
}
