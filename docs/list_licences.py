"""Writes docs/licences.md: every package that requirements.txt brings, and under which licence, by its own word."""

import re
import sys
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"
# What may be used in any work and passed on with it, if its notice is: by what they are called in packages.
PERMISSIVE = (
    "0BSD|AFL|Academic Free License|Apache|BSD|Boost|BSL-1.0|CC0|HPND|ISC|MIT|NCSA|PIL|PSF|Python Software Foundation|"
    "Python-2.0|Unlicense|Zlib|ZPL|CNRI"
)
# Changes to such a package's own files must be passed on; works that use it need not. None is changed here.
FILE_BASED = "MPL|Mozilla Public License"
# Replaceable by whoever gets the work: installed from its own package, as pip does, it is.
LIBRARY = "LGPL|Lesser General Public"
# NVIDIA's libraries, under NVIDIA's own terms: PyTorch's build from PyPI asks for them on Linux, the CPU build does
# not, and nothing here needs them. The page says so below the table.
CUDA = re.compile(r"(?:nvidia|cuda)-")


@dataclass(frozen=True)
class Package:
    """A package that is installed.

    Attributes:
        name: as package indexes write it.
        licence: by its own word.
        direct: whether requirements.txt names it.
    """

    name: str
    licence: str
    direct: bool

    @property
    def kind(self) -> str:
        """``permissive``, ``file-based``, ``library`` or ``unknown``: the strictest of a choice that all must keep."""
        return kind_of(self.licence)


def kind_of(licence: str) -> str:
    """What a licence's name, or an expression of several (SPDX), asks of who passes the work on."""
    kinds = []
    for part in re.split(r"\bAND\b|;", licence):
        choices = [_kind(choice) for choice in re.split(r"\bOR\b", part)]
        kinds.append(min(choices, key=_ORDER.index))
    return max(kinds, key=_ORDER.index)


_ORDER = ["permissive", "file-based", "library", "unknown"]


def _kind(name: str) -> str:
    for pattern, kind in (
        (LIBRARY, "library"),
        (r"\bA?GPL|Affero|General Public", "unknown"),
        (FILE_BASED, "file-based"),
    ):
        if re.search(pattern, name):
            return kind
    return "permissive" if re.search(rf"\b(?:{PERMISSIVE})", name) else "unknown"


def required(path: Path = ROOT / "requirements.txt") -> list[str]:
    """Names in a requirements file."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [Requirement(line).name for line in lines if line and not line.startswith("-")]


def packages(path: Path = ROOT / "requirements.txt") -> list[Package]:
    """What a requirements file brings on this machine, with all that it needs in turn, sorted by name.

    Without what PyTorch brings for CUDA, so that the answer is the same with each of its builds.

    Raises:
        PackageNotFoundError: if something that it names is not installed.
    """
    direct = {canonicalize_name(name) for name in required(path)}
    found: dict[str, Package] = {}
    waiting = [(Requirement(line.partition("#")[0].strip()), "") for line in _lines(path)]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        try:
            about = distribution(name)
        except PackageNotFoundError:
            if name in direct:
                raise
            continue  # such as what an editor's plugin would need
        found[name] = Package(name, licence_of(about), name in direct)
        for wanted in ("", *requirement.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                wants = [Requirement(text) for text in about.requires or []]
                waiting += [(want, wanted) for want in wants if name != "torch" or not CUDA.match(want.name)]
    return sorted(found.values(), key=lambda package: package.name)


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.partition("#")[0].strip()]


def licence_of(about: Distribution) -> str:
    """The licence of a package by its metadata: the expression, the classifiers, or the first line of the text."""
    said = about.metadata
    if "License-Expression" in said:
        return str(said["License-Expression"])
    classified = [
        each.rpartition(" :: ")[2] for each in said.get_all("Classifier") or [] if each.startswith("License ::")
    ]
    named = [each for each in classified if each != "OSI Approved"]
    text = str(said["License"]) if "License" in said else ""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return "; ".join(named) or first[:60] or "not said"


def page(found: list[Package]) -> str:
    """The page, in Markdown."""
    rows = [
        f"| {package.name} | {package.licence.replace('|', '/')} | {package.kind} | {'yes' if package.direct else ''} |"
        for package in found
    ]
    return _HEAD + "\n".join(rows) + "\n" + _TAIL


_HEAD = """# Licences of what is installed

Nucleoscope is under Apache-2.0. It is installed with the packages below, by pip and from their own wheels; none of them
is changed or copied into this repository, but for the two in `segmentation/web/vendor`, whose notices lie beside them.
The table is made by

    python -m docs.list_licences

from what each package says of itself, on Linux with the CPU build of PyTorch; other systems add or leave out a few.

- **permissive**: may be used in any work and passed on with it, as long as the notice comes along.
- **file-based** (MPL-2.0): whoever changes a file of the package and passes it on must pass on the changed file too.
  Works that use the package are not concerned, and nothing is changed here.
- **library** (LGPL) and **unknown**: there are none among the packages, and `tests/security/test_licences.py` fails
  when one comes in.

| package | licence, as it says | kind | named in requirements.txt |
| --- | --- | --- | --- |
"""
_TAIL = """
What this table does not show: wheels carry compiled libraries inside, and their metadata name the package's own licence
alone. Among these are libraries under the LGPL: GEOS in `shapely`, FFmpeg (and Qt, in the build with windows) in
`opencv-python`, libquadmath in `numpy` and `scipy`; and GCC's runtime libraries, under the GPL with the exception that
lets any work use them. They are shared libraries that can be replaced, as the LGPL asks; who passes a container image
on passes these on with it, and most wheels hold their texts (`*.dist-info`). PyTorch from PyPI brings NVIDIA's
libraries for CUDA under NVIDIA's own terms; the CPU build does not.
"""


def main() -> int:
    """Write the page; returns 1 if a package is of no kind that is allowed."""
    found = packages()
    PAGE.write_text(page(found), encoding="utf-8")
    odd = [f"{package.name} ({package.licence})" for package in found if package.kind in ("library", "unknown")]
    if odd:
        print(f"error: look at the licences of {', '.join(odd)}.", file=sys.stderr)
    return 1 if odd else 0


if __name__ == "__main__":
    sys.exit(main())
