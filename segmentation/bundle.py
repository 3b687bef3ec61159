"""Bundle <-> folder: config.json, model.safetensors and a card. A bundle is everything that use of a model needs."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from segmentation.atomic import replacing_folder
from segmentation.errors import BundleError, ParameterError
from segmentation.instance_maps import FOREGROUND, DecodeParams, MapName, known_names
from segmentation.model_card import render_card
from segmentation.preprocessing import Preprocessing
from segmentation.stored_network import StoredNetwork
from segmentation.terminal import one_line, shown
from segmentation.weight_shapes import NAMES

if TYPE_CHECKING:
    from segmentation.networks import Network

FORMAT_VERSION = 2  # 1 knew no magnification
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained network with all that its use needs.

    Attributes:
        source: the network, PyTorch's own or as it was stored.
        preprocessing: the formula that prepared the training pictures.
        decode: parameters that turn the network's maps into labels.
        training: what it was trained on and how: JSON values.
        scores: what was measured on pictures the training never saw: JSON values.
        maps: names of the maps that the network predicts, in its order.
        magnification: of pictures before the network; its maps are shrunk back.
        diameter: of nuclei, in pixels that the network sees, which suits it best; pictures are magnified by the size of
            their nuclei (:mod:`segmentation.automatic_magnification`). 0: all alike, by ``magnification``.
        revision: first 12 digits of the weights' SHA-256; empty before saving.
    """

    source: "Network | StoredNetwork"
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    decode: DecodeParams = field(default_factory=DecodeParams)
    training: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    maps: tuple[MapName, ...] = FOREGROUND
    magnification: float = 1.0
    diameter: float = 0.0
    revision: str = ""

    @cached_property
    def network(self) -> "Network":
        """PyTorch's own, which is built when it is first asked for: what serves on processors does without."""
        return self.source.build() if isinstance(self.source, StoredNetwork) else self.source

    @property
    def stored(self) -> StoredNetwork:
        """The network's name, arguments and weights as they are now."""
        built = self.__dict__.get("network", self.source)  # whose weights may have been changed since
        return built if isinstance(built, StoredNetwork) else StoredNetwork.of(built)

    def save(self, folder: str | Path) -> Path:
        """Write the folder whole or not at all; an older bundle at that place is replaced.

        Raises:
            BundleError: if the place holds something else, or cannot be written.
        """
        folder = Path(folder)
        check_destination(folder)
        stored = self.stored
        weights = save_arrays(dict(stored.weights))
        config = {
            "format_version": FORMAT_VERSION,
            "network": {
                "name": stored.name,
                "arguments": stored.arguments,
                "maps": list(self.maps),
            },
            "magnification": self.magnification,
            "diameter": self.diameter,
            "preprocessing": asdict(self.preprocessing),
            "decode": asdict(self.decode),
            "training": self.training,
            "scores": self.scores,
            "weights_sha256": hashlib.sha256(weights).hexdigest(),
        }
        contents = {
            WEIGHTS: weights,
            CONFIG: (json.dumps(config, indent=2) + "\n").encode(),
            CARD: render_card(config).encode(),
        }
        try:
            with replacing_folder(folder) as fresh:
                for name, data in contents.items():
                    (fresh / name).write_bytes(data)
        except OSError as error:
            raise BundleError(
                f"{folder}: the bundle cannot be written ({error.strerror}); free the disk or name another folder."
            ) from error
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> "Bundle":
        """Read a bundle; nothing is unpickled, and nothing else is ever loaded in its place.

        Raises:
            BundleError: missing, newer, damaged, or not matching its own hash or network.
        """
        folder = Path(folder)
        config = read_config(folder)
        try:
            weights = (folder / WEIGHTS).read_bytes()
        except OSError as error:
            raise BundleError(f"{folder}: {WEIGHTS} is missing; copy the bundle again, whole.") from error
        digest = hashlib.sha256(weights).hexdigest()
        if digest != config.get("weights_sha256"):
            raise BundleError(
                f"{folder}: {WEIGHTS} does not match the hash in {CONFIG}: it is cut short, changed or of another "
                "bundle; copy the bundle again, whole."
            )
        try:
            name, maps = config["network"]["name"], tuple(config["network"]["maps"])
            if name not in NAMES or not known_names(maps):
                raise BundleError(
                    f"{folder}: network {shown(name)} with maps {shown(list(maps))} is not known "
                    "here; update Nucleoscope."
                )
            stored = StoredNetwork(name, dict(config["network"]["arguments"]), load_arrays(weights))
            stored.check()
            preprocessing = Preprocessing(**config["preprocessing"])
            if (stored.inputs, stored.outputs) != (preprocessing.channels, len(maps)):
                raise BundleError(
                    f"{folder}: the network takes {stored.inputs} channels and predicts {stored.outputs} maps, but "
                    f"{CONFIG} prepares {preprocessing.channels} and names {len(maps)}; export the bundle again."
                )
            return cls(
                stored,
                preprocessing=preprocessing,
                decode=DecodeParams(**config["decode"]),
                training=dict(config["training"]),
                scores=dict(config["scores"]),
                maps=maps,
                magnification=check_magnification(config.get("magnification", 1.0)),
                diameter=check_diameter(config.get("diameter", 0.0)),
                revision=digest[:12],
            )
        except BundleError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, SafetensorError) as error:
            reason = one_line(str(error), 100)
            raise BundleError(
                f"{folder}: {CONFIG} and {WEIGHTS} do not describe a network that fits together "
                f"({type(error).__name__}: {reason}); export the bundle again."
            ) from error


def check_magnification(value: float) -> float:
    """The value itself.

    Raises:
        ParameterError: if pictures cannot be magnified so.
    """
    if not 0.1 <= value <= 8:
        raise ParameterError(f"magnification={value}: a factor from 0.1 to 8; 1 leaves pictures as they are.")
    return value


def check_diameter(value: float) -> float:
    """The value itself.

    Raises:
        ParameterError: if no nuclei can have it.
    """
    if value != 0 and not 4 <= value <= 200:
        raise ParameterError(
            f"diameter={value}: of nuclei in pixels, from 4 to 200, or 0 to magnify all pictures alike."
        )
    return value


def check_destination(folder: Path) -> None:
    """Refuse a place where a bundle would push something else aside.

    Raises:
        BundleError: if it is a file, or a folder with other files than a bundle's own.
    """
    if folder.exists() and not folder.is_dir():
        raise BundleError(f"{folder}: there is a file of that name; name an empty or new folder for the bundle.")
    others = sorted({item.name for item in folder.iterdir()} - {CONFIG, WEIGHTS, CARD}) if folder.exists() else []
    if others:
        raise BundleError(
            f"{folder}: the folder holds other files ({others[0]}); name an empty or new folder for the bundle."
        )


def read_config(folder: Path) -> dict[str, Any]:
    """What a bundle's ``config.json`` says, of a format version that can be read.

    Raises:
        BundleError: missing, no JSON, or of a newer version.
    """
    if not folder.is_dir():
        raise BundleError(
            f"{folder}: there is no such model folder; give a folder with {CONFIG} and {WEIGHTS}, "
            "for example checkpoints/nuclei."
        )
    path = folder / CONFIG
    if not path.is_file():
        found = [item.name for item in folder.iterdir() if item.suffix in (".ckpt", ".pt", ".pth", ".bin", ".pkl")]
        hint = f"; {found[0]} is a pickle and is never opened" if found else ""
        raise BundleError(f"{folder}: {CONFIG} is missing, so this is not a model bundle{hint}.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: not readable as JSON ({error}); copy the bundle again, whole.") from error
    if not isinstance(config, dict) or not isinstance(config.get("format_version"), int):
        raise BundleError(f"{path}: it states no format_version; export the bundle again.")
    if config["format_version"] > FORMAT_VERSION:
        raise BundleError(
            f"{folder}: bundle format {shown(config['format_version'])} is newer than {FORMAT_VERSION}, the newest "
            "read here; update Nucleoscope."
        )
    return config
