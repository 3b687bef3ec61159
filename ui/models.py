"""The models that a visitor can choose from: loaded when first used, one copy for all visitors."""

import html
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from segmentation.bundle import Bundle
from segmentation.engine import EngineName
from segmentation.errors import BundleError
from segmentation.model_source import is_hub_id, resolve
from segmentation.segmenter import Segmenter
from ui.serving_segmenter import WatchedSegmenter
from ui.serving_work import Turns
from ui.zero_gpu import load_segmenter

KEPT = 6  # models in memory, besides the one to start with
_CARD = (
    ("validation kaggle", "Kaggle score on validation"),
    ("held-out kaggle", "Kaggle score on pictures that chose nothing"),
    ("held-out kaggle, fluorescence", "of them, fluorescence"),
    ("held-out kaggle, tissue", "of them, stained tissue"),
    ("held-out kaggle, brightfield", "of them, brightfield"),
)
_LIMITS = "For research, not for diagnosis. How good it is on pictures unlike its training data, nobody knows."


def shown_magnification(bundle: Bundle) -> float:
    """What the page's slider starts with: 0 where the model chooses by the size of the nuclei."""
    return 0.0 if bundle.diameter else bundle.magnification


class Models:
    """Bundles by name.

    Args:
        sources: folders of bundles, or models on the Hub as ``OWNER/NAME`` or ``OWNER/NAME@REVISION``, which are
            fetched now; the first is the one to start with, and is loaded now.
        device: see :class:`segmentation.Segmenter`.
        hub: whether visitors may fetch others from the Hub.
        engine: see :class:`segmentation.Segmenter`.
        concurrency: pictures that are worked on at the same time.

    Raises:
        BundleError: if the first is no whole bundle.
        HubError: if one on the Hub cannot be had.
        ParameterError: if the device or the engine cannot be used.
    """

    def __init__(
        self,
        sources: Sequence[str | Path],
        device: str = "auto",
        *,
        hub: bool = True,
        engine: EngineName = "auto",
        concurrency: int = 1,
    ) -> None:
        self._engine = engine
        self.turns = Turns(concurrency)
        self._device, self._lock, self.hub = device, threading.Lock(), hub
        self._folders: dict[str, Path] = {}
        self._commands: dict[str, str] = {}
        for source in sources:
            folder = resolve(source)
            stem = _pinned(str(source).split("@")[0], folder) if is_hub_id(source) else folder.name
            name, number = stem, 2
            while name in self._folders:
                name, number = f"{stem} ({number})", number + 1
            self._folders[name], self._commands[name] = folder, stem if is_hub_id(source) else str(folder)
        self._loaded: OrderedDict[str, Segmenter] = OrderedDict()
        self.default = self.names[0]
        self.segmenter(self.default)

    @property
    def names(self) -> list[str]:
        """Of all models, the first to start with."""
        return list(self._folders)

    def command(self, name: str | None) -> str:
        """What names the model on a command line: its folder, or its id on the Hub with the commit."""
        return self._commands[name or self.default]

    def fetch(self, text: str) -> str:
        """Fetch a model from the Hub, for all visitors; returns its name, which holds the commit.

        Only what anybody may see is fetched: a private model has to be named when the page is started.

        Args:
            text: ``OWNER/NAME`` or ``OWNER/NAME@REVISION``, as it was typed.

        Raises:
            BundleError: if it is no such id, or no bundle, or the Hub was turned off.
            HubError: if the Hub has no such model or cannot be reached.
        """
        repo_id, _, revision = text.strip().partition("@")
        if not self.hub:
            raise BundleError("Models from the Hub are turned off here (--no-hub).")
        if repo_id.count("/") != 1:
            raise BundleError(f"{text.strip()!r}: a model on the Hub is called OWNER/NAME, or OWNER/NAME@REVISION.")
        from segmentation.hub_pull import pull  # loads the Hub's client, which most visits never need

        folder = pull(repo_id, revision or None, token=False)
        name = _pinned(repo_id, folder)
        with self._lock:
            self._folders[name], self._commands[name] = folder, name
        return name

    def segmenter(self, name: str | None = None) -> Segmenter:
        """The model of that name, or the one to start with.

        Raises:
            BundleError: if it is unknown, or no whole bundle.
        """
        name = name or self.default
        if name not in self._folders:
            raise BundleError(f"{name}: no such model here; choose one of {', '.join(self.names)}.")
        with self._lock:
            if name not in self._loaded:
                inner = load_segmenter(self._folders[name], self._device, self._engine)
                self._loaded[name] = WatchedSegmenter(inner)
                others = [each for each in self._loaded if each not in (name, self.default)]
                for each in others[: max(len(others) - KEPT + 1, 0)]:
                    del self._loaded[each]
            self._loaded.move_to_end(name)
            return self._loaded[name]

    def card_html(self, name: str) -> str:
        """What it was trained on, its scores and its limits."""
        bundle = self.segmenter(name).bundle
        lines = [f"Trained on: {bundle.training.get('data', 'not noted')}; {bundle.training.get('pictures', '')}"]
        for key, told in _CARD:
            score = bundle.scores.get(key)
            if isinstance(score, int | float):  # a stranger's bundle may hold anything
                lines.append(f"{told}: {score:.3f}")
        return "".join(f"<div>{html.escape(line)}</div>" for line in [*lines, _LIMITS])


def _pinned(repo_id: str, folder: Path) -> str:
    """The id with the commit: a folder of the Hub's cache is called by its commit."""
    return f"{repo_id}@{folder.name}"
