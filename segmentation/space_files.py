"""The files of a Hugging Face Space that serves the app, gathered from a checkout or from a copy of one."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from segmentation.app_requirements import app_requirements
from segmentation.bundle import CARD, CONFIG, WEIGHTS, Bundle
from segmentation.errors import HubError

ROOT = Path(__file__).resolve().parents[1]
README, REQUIREMENTS = "README.md", "requirements.txt"
MODELS = "checkpoints/models.txt"  # see app.py: models that are offered before the bundles beside it
MANIFEST = ".nucleoscope.json"  # in the Space: what was deployed, so that the next time knows what it left
PACKAGES = ("ui", "segmentation")
NEEDED = ("app.py", "LICENSE", README, REQUIREMENTS, "ui/page.py", "segmentation/segmenter.py")
LEFT_OUT = ("segmentation/web/",)  # the static page, which needs no server
# A list of what goes rather than of what stays: nobody's notes, keys or half-written files slip through.
SUFFIXES = (".py", ".html", ".css", ".js", ".json", ".svg", ".png")
DEFAULT_MODEL = "nuclei"
_PICTURE = re.compile(r"!\[[^\]]*\]\((?P<path>[^)\s:]+)\)")  # not those at other hosts
_FRONT_MATTER = re.compile(r"---\n(?P<yaml>.*?)\n---\n", re.DOTALL)

Files = dict[str, Path | bytes]


@dataclass(frozen=True)
class PinnedModel:
    """The model that a Space starts with.

    Attributes:
        repo_id: ``OWNER/NAME``.
        commit: full hash.
        public: whether anybody may fetch it; the Space needs a token of its own for one that is not.
    """

    repo_id: str
    commit: str
    public: bool


def checkout_files(root: Path = ROOT) -> Files:
    """What the app needs, by its path there: code, bundles, licence, README and the pictures that README shows.

    Args:
        root: folder that holds ``app.py``; no Git is needed.

    Raises:
        HubError: if a file is missing.
        BundleError: if a bundle in ``checkpoints/`` is not whole.
    """
    missing = [name for name in NEEDED if not (root / name).is_file()]
    if not (root / "checkpoints" / DEFAULT_MODEL / CONFIG).is_file():
        missing.append(f"checkpoints/{DEFAULT_MODEL}")
    if missing:
        raise HubError(
            f"{root}: no {' and no '.join(missing)} here, and the Space needs {'it' if len(missing) == 1 else 'them'}; "
            "run this from a whole checkout of the project, or a whole copy of one."
        )
    names = [name for name in NEEDED if "/" not in name]
    names += [name for package in PACKAGES for name in _package(root, package)]
    names += _bundles(root) + _pictures(root)
    if (root / MODELS).is_file():
        names.append(MODELS)
    return {name: root / name for name in sorted(names)}


def space_files(checkout: Files, model: PinnedModel | None = None, *, cuda: bool) -> Files:
    """The same, with README, requirements and manifest made for the Space.

    Args:
        checkout: from :func:`checkout_files`.
        model: to start with, in place of the first in ``checkpoints/``.
        cuda: whether the Space has a GPU.

    Raises:
        HubError: if README or requirements cannot be understood.
    """
    files = dict(checkout)
    try:
        files[REQUIREMENTS] = app_requirements(_text(files[REQUIREMENTS]), cuda=cuda).encode()
    except ValueError as error:
        raise HubError(str(error)) from error
    if model is not None:
        files[README] = _with_model(_text(files[README]), model).encode()
        files[MODELS] = f"{model.repo_id}@{model.commit}\n".encode()
    files[MANIFEST] = json.dumps({"app": "nucleoscope", "files": sorted(files)}, indent=1).encode() + b"\n"
    return files


def deployed_files(manifest: bytes) -> set[str]:
    """What an older deployment says it consisted of.

    Raises:
        HubError: if this is no such list.
    """
    try:
        names = json.loads(manifest)["files"]
    except (ValueError, KeyError, TypeError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise HubError(f"{MANIFEST} in the Space is no list of what was deployed; delete it there and deploy again.")
    return set(names)


def front_matter(readme: str) -> dict[str, Any]:
    """What the top of a README tells the Hub.

    Raises:
        HubError: if there is none.
    """
    found = _FRONT_MATTER.match(readme)
    try:
        told = yaml.safe_load(found["yaml"]) if found else None
    except yaml.YAMLError:
        told = None
    if not isinstance(told, dict):
        raise HubError(f"{README} does not begin with what the Hub reads (--- title: ... ---); take the project's.")
    return told


def _package(root: Path, package: str) -> list[str]:
    names = []
    for path in (root / package).rglob("*"):
        name = path.relative_to(root)
        hidden = any(part.startswith((".", "__pycache__")) for part in name.parts)
        if path.suffix in SUFFIXES and not hidden and not name.as_posix().startswith(LEFT_OUT) and path.is_file():
            names.append(name.as_posix())
    return names


def _bundles(root: Path) -> list[str]:
    """The files of each bundle; whatever else lies in its folder stays."""
    names = []
    for folder in sorted(config.parent for config in (root / "checkpoints").glob(f"*/{CONFIG}")):
        Bundle.load(folder)
        files = (folder / name for name in (CONFIG, WEIGHTS, CARD))
        names += [path.relative_to(root).as_posix() for path in files if path.is_file()]
    return names


def _pictures(root: Path) -> list[str]:
    shown = list(dict.fromkeys(found["path"] for found in _PICTURE.finditer(_text(root / README))))
    for name in shown:
        path = root / name
        if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
            raise HubError(f"{README} shows {name}, which is not in {root}; put it there, or take it out.")
    return shown


def _with_model(readme: str, model: PinnedModel) -> str:
    told = front_matter(readme) | {"models": [model.repo_id]}
    if model.public:  # fetched when the Space is built, so that starting it asks the Hub for nothing
        told["preload_from_hub"] = [f"{model.repo_id} {CONFIG},{WEIGHTS} {model.commit}"]
    body = readme[_FRONT_MATTER.match(readme).end() :]  # type: ignore[union-attr]
    return f"---\n{yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=1000)}---\n{body}"


def _text(file: Path | bytes) -> str:
    return file.decode("utf-8") if isinstance(file, bytes) else file.read_text(encoding="utf-8")
