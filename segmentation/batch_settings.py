"""How a batch is done: settings that travel between processes, and their fingerprint."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from segmentation.bundle import Bundle, check_magnification
from segmentation.engine import EngineName
from segmentation.errors import ParameterError
from segmentation.exports import FORMATS
from segmentation.instance_maps import DecodeParams
from segmentation.model_source import is_hub_id
from segmentation.projection import Projection, check_projection

ALIASES = {"tiff": "labels", "tif": "labels", "roi": "rois", "imagej": "rois", "qupath": "geojson"}


@dataclass(frozen=True)
class Settings:
    """How files are read and segmented, and what is written.

    Attributes:
        out: folder of the results.
        params: how nuclei are told apart; None for the bundle's own.
        formats: keys of ``FORMATS``; ``run`` is written always, for it is what ``resume`` goes by.
        channel: this one alone: its number from 0, or its name.
        page: this one alone, counted from 1.
        projection: of a stack's planes into one.
        accurate: average eight turned and mirrored views.
        magnification: of pictures before the network; None to choose it by the size of the nuclei.
        engine: what runs the network; see :class:`segmentation.Segmenter`.
        full: measure outlines and convex hulls too.
        resume: skip files of which all results are there, made of the same bytes by the same model in the same way.

    Raises:
        ParameterError: if a setting is out of range.
    """

    out: Path
    params: DecodeParams | None = None
    formats: tuple[str, ...] = ()
    channel: int | str | None = None
    page: int | None = None
    projection: Projection | None = None
    accurate: bool = False
    magnification: float | None = None
    engine: EngineName = "auto"
    full: bool = False
    resume: bool = False

    def __post_init__(self) -> None:
        check_projection(self.projection)
        if self.magnification is not None:
            check_magnification(self.magnification)


def parse_formats(text: str) -> tuple[str, ...]:
    """``labels,csv`` -> keys of ``FORMATS``, each once and in its order; ``all`` is all of them.

    Raises:
        ParameterError: for one that does not exist, or none at all.
    """
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    keys = {ALIASES.get(word, word) for word in words}
    if "all" in keys:
        keys = set(FORMATS)
    if unknown := sorted(keys - set(FORMATS)) or not keys:
        value = repr(unknown[0]) if isinstance(unknown, list) else repr(text)
        raise ParameterError(f"format {value} does not exist; choose from {', '.join(FORMATS)}, or all.")
    return tuple(key for key in FORMATS if key in keys)


def bundle_name(model: str | Path) -> str:
    """What records call a model: its name on the Hub, or its folder's."""
    return str(model) if is_hub_id(model) else Path(model).resolve().name


def fingerprint(settings: Settings, bundle: Bundle) -> str:
    """A digest of all that has an influence on a file's results, but the file: model, settings, what is measured."""
    magnification = bundle.magnification if settings.magnification is None else settings.magnification
    made_with = {
        "revision": bundle.revision,
        "network": bundle.stored.name,
        "maps": bundle.maps,
        "preprocessing": asdict(bundle.preprocessing),
        "decode": asdict(settings.params or bundle.decode),
        "magnification": magnification,
        "accurate": settings.accurate,
        "channel": settings.channel,
        "page": settings.page,
        "projection": settings.projection,
        "full": settings.full,
    }
    if settings.magnification is None and bundle.diameter:
        made_with["diameter"] = bundle.diameter
    if settings.engine == "openvino-bf16":  # the only one whose results are its own
        made_with["engine"] = settings.engine
    return hashlib.sha256(json.dumps(made_with, sort_keys=True).encode()).hexdigest()[:16]
