"""A model as a folder of static files: a page that finds nuclei inside the browser, with no server behind it.

>>> from segmentation import Bundle
>>> export_web(Bundle.load("checkpoints/nuclei"), Path("page"))  # doctest: +SKIP
"""

import gzip
import hashlib
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from segmentation.atomic import replacing_folder
from segmentation.bundle import Bundle
from segmentation.errors import BundleError
from segmentation.examples import Appearance, make_example
from segmentation.instance_maps import separation_limit
from segmentation.model_card import LICENSE
from segmentation.overlay import PALETTE
from segmentation.segmenter import OVERLAP, TILE

WEB = Path(__file__).with_name("web")
PAGE, MODEL, NETWORK, CARD = "index.html", "model.json", "model.onnx", "README.md"
VENDOR, MANIFEST, LICENCES = "vendor", "manifest.json", "LICENSES.txt"
FORMAT = "nucleoscope page"  # by which an older export is known
# Drawn, so that nobody's pictures are given away: kind, name for people, seed, nuclei.
_EXAMPLES: tuple[tuple[Appearance, str, int, int], ...] = (
    ("fluorescence", "Fluorescence", 3, 40),
    ("tissue", "Stained tissue", 4, 52),
)
_SIZE, _RADIUS = {"height": 320, "width": 384}, (8.0, 14.0)

# A static Space of the Hugging Face Hub is told by this what it is; the headers let the network use several threads.
_CARD = f"""---
title: Nucleoscope
emoji: 🔬
colorFrom: green
colorTo: blue
sdk: static
app_file: {PAGE}
license: {LICENSE}
pinned: false
short_description: Finds nuclei in the browser; pictures stay with you
custom_headers:
  cross-origin-embedder-policy: require-corp
  cross-origin-opener-policy: same-origin
  cross-origin-resource-policy: cross-origin
---

# Nucleoscope in the browser

Finds nuclei in microscopy pictures, inside the browser: pictures never leave the computer, and once loaded it works
offline. Any server of static files will do, for example:

    python3 -m http.server --directory FOLDER

and then open http://localhost:8000/. Opened as a file, without a server, browsers do not let the page load its parts.

The model is the bundle of revision REVISION. `{VENDOR}/` holds onnxruntime-web and geotiff.js with their licences.
For research, not for diagnosis.
"""


class Vendored(NamedTuple):
    """A file of another project that the page uses.

    Attributes:
        file: its name in ``web/vendor``.
        package: on npm.
        version: of the package.
        source: path in the package.
        licence: SPDX identifier.
        sha256: of the file as the package has it.
    """

    file: str
    package: str
    version: str
    source: str
    licence: str
    sha256: str

    @property
    def stored(self) -> Path:
        """Where it lies here; the large ones are compressed."""
        plain = WEB / VENDOR / self.file
        return plain if plain.exists() else plain.with_name(f"{self.file}.gz")

    def read(self) -> bytes:
        """Its bytes, as the package has them.

        Raises:
            BundleError: if they are not.
        """
        try:
            data = self.stored.read_bytes()
            data = gzip.decompress(data) if self.stored.suffix == ".gz" else data
        except (OSError, EOFError, gzip.BadGzipFile) as error:
            raise BundleError(f"{self.stored}: missing or damaged; install Nucleoscope again.") from error
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise BundleError(
                f"{self.stored}: not the file of {self.package} {self.version}; install Nucleoscope again."
            )
        return data


def vendored() -> list[Vendored]:
    """What ``web/vendor/manifest.json`` lists."""
    manifest = json.loads((WEB / VENDOR / MANIFEST).read_text(encoding="utf-8"))
    return [Vendored(**entry) for entry in manifest["files"]]


def export_web(bundle: Bundle, folder: Path) -> Path:
    """Write a folder that any server of static files turns into a page which segments in the visitor's browser.

    The folder appears whole or not at all; an older export at that place is replaced.

    Args:
        bundle: the model.
        folder: where to; new, empty, or an older export.

    Raises:
        BundleError: if the place holds something else or cannot be written, or the network cannot be exported.
    """
    from segmentation.onnx_export import onnx_bytes  # loads ONNX, which most uses never need

    folder = Path(folder)
    _check_destination(folder)
    contents = {**_page(), **_examples(), NETWORK: onnx_bytes(bundle)}
    contents[MODEL] = (json.dumps(_description(bundle), indent=2) + "\n").encode()
    contents[CARD] = _CARD.replace("REVISION", bundle.revision or "unsaved").encode()
    try:
        with replacing_folder(folder) as fresh:
            for name, data in contents.items():
                (fresh / name).parent.mkdir(parents=True, exist_ok=True)
                (fresh / name).write_bytes(data)
    except OSError as error:
        raise BundleError(
            f"{folder}: the page cannot be written ({error.strerror}); free the disk or name another folder."
        ) from error
    return folder


def _page() -> dict[str, bytes]:
    """Path in the folder -> contents, of all that is the same for every model."""
    own = [path for path in sorted(WEB.rglob("*")) if path.is_file() and VENDOR not in path.relative_to(WEB).parts]
    contents = {path.relative_to(WEB).as_posix(): path.read_bytes() for path in own}
    contents |= {f"{VENDOR}/{each.file}": each.read() for each in vendored()}
    return contents | {f"{VENDOR}/{name}": (WEB / VENDOR / name).read_bytes() for name in (MANIFEST, LICENCES)}


def _examples() -> dict[str, bytes]:
    contents = {}
    for kind, _, seed, nuclei in _EXAMPLES:
        file = io.BytesIO()
        picture = make_example(kind, seed, nuclei=nuclei, radius=_RADIUS, **_SIZE)
        Image.fromarray(picture.pixels.squeeze()).save(file, "PNG", optimize=True)
        contents[f"examples/{kind}.png"] = file.getvalue()
    return contents


def _description(bundle: Bundle) -> dict[str, Any]:
    """What the page has to know of the model, and what visitors may want to."""
    return {
        "format": FORMAT,
        "revision": bundle.revision,
        "license": LICENSE,
        "maps": list(bundle.maps),
        "magnification": bundle.magnification,
        "diameter": bundle.diameter,
        "preprocessing": asdict(bundle.preprocessing),
        "decode": asdict(bundle.decode),
        "separation_limit": separation_limit(bundle.maps),
        "tile": TILE,
        "overlap": OVERLAP,
        "training": bundle.training,
        "scores": bundle.scores,
        "palette": PALETTE.tolist(),
        "examples": [{"file": f"examples/{kind}.png", "name": name} for kind, name, _, _ in _EXAMPLES],
    }


def _check_destination(folder: Path) -> None:
    """Refuse a place where the page would push something else aside."""
    if folder.exists() and not folder.is_dir():
        raise BundleError(f"{folder}: there is a file of that name; name an empty or new folder for the page.")
    held = sorted(item.name for item in folder.iterdir()) if folder.exists() else []
    if not held:
        return
    own = {PAGE, MODEL, NETWORK, CARD, VENDOR, "examples", *(item.name for item in WEB.iterdir())}
    others = [name for name in held if name not in own]
    if others or not _is_export(folder):
        raise BundleError(
            f"{folder}: the folder holds other files ({(others or held)[0]}); name an empty or new folder for the page."
        )


def _is_export(folder: Path) -> bool:
    try:
        description = json.loads((folder / MODEL).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(description, dict) and description.get("format") == FORMAT


__all__ = ["Vendored", "export_web", "vendored"]
