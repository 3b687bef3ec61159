"""The models that a visitor can choose from: loaded when first used, one copy for all visitors."""

import html
import threading
from collections.abc import Sequence
from pathlib import Path

from segmentation.errors import BundleError
from segmentation.segmenter import Segmenter

_CARD = (
    ("validation kaggle", "Kaggle score on validation"),
    ("held-out kaggle", "Kaggle score on pictures that chose nothing"),
    ("held-out kaggle, fluorescence", "of them, fluorescence"),
    ("held-out kaggle, tissue", "of them, stained tissue"),
    ("held-out kaggle, brightfield", "of them, brightfield"),
)
_LIMITS = "For research, not for diagnosis. How good it is on pictures unlike its training data, nobody knows."


class Models:
    """Bundles by name.

    Args:
        folders: of bundles; the first is the one to start with, and is loaded now.
        device: see :class:`segmentation.Segmenter`.

    Raises:
        BundleError: if the first is no whole bundle.
    """

    def __init__(self, folders: Sequence[Path], device: str = "auto") -> None:
        self._device, self._lock = device, threading.Lock()
        self._folders: dict[str, Path] = {}
        for folder in folders:
            name, number = folder.name, 2
            while name in self._folders:
                name, number = f"{folder.name} ({number})", number + 1
            self._folders[name] = folder
        self._loaded: dict[str, Segmenter] = {}
        self.default = self.names[0]
        self.segmenter(self.default)

    @property
    def names(self) -> list[str]:
        """Of all models, the first to start with."""
        return list(self._folders)

    def folder(self, name: str | None) -> str:
        """Where the bundle is."""
        return str(self._folders[name or self.default])

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
                self._loaded[name] = Segmenter.from_pretrained(self._folders[name], self._device)
            return self._loaded[name]

    def card_html(self, name: str) -> str:
        """What it was trained on, its scores and its limits."""
        bundle = self.segmenter(name).bundle
        lines = [f"Trained on: {bundle.training.get('data', 'not noted')}; {bundle.training.get('pictures', '')}"]
        lines += [f"{told}: {bundle.scores[key]:.3f}" for key, told in _CARD if key in bundle.scores]
        return "".join(f"<div>{html.escape(line)}</div>" for line in [*lines, _LIMITS])
