"""Whatever is installed is under a licence that lets anybody use and pass on the whole."""

from email.message import Message
from pathlib import Path
from types import SimpleNamespace

import pytest

from docs.list_licences import PAGE, kind_of, main, packages, page, required


def test_every_package_may_be_used_and_passed_on() -> None:
    found = packages()
    assert len(found) > 60
    assert {package.name for package in found if package.kind not in ("permissive", "file-based")} == set()


def test_the_page_names_what_is_required() -> None:
    rows = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    named = {row[0].strip("| ") for row in rows if row[-1].strip(" |") == "yes"}
    cure = "run python -m docs.list_licences"
    assert named == {name.lower().replace("_", "-").replace(".", "-") for name in required()}, cure


@pytest.mark.parametrize(("asks", "kinds"), [("torch", ["permissive"]), ("another", ["unknown", "permissive"])])
def test_what_pytorch_brings_for_cuda_is_nobody_elses_excuse(
    asks: str, kinds: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build of PyTorch that PyPI has asks for packages that the CPU build does without."""
    licences = {asks: "MIT", "nvidia-cublas": "LicenseRef-NVIDIA-Proprietary"}

    def installed(name: str) -> SimpleNamespace:
        metadata = Message()
        metadata["License-Expression"] = licences[name]
        return SimpleNamespace(metadata=metadata, requires=["nvidia-cublas==13.1"] if name == asks else None)

    monkeypatch.setattr("docs.list_licences.distribution", installed)
    (tmp_path / "requirements.txt").write_text(f"{asks}==1.0\n")
    assert sorted(package.kind for package in packages(tmp_path / "requirements.txt")) == sorted(kinds)


def test_the_page_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docs.list_licences.PAGE", tmp_path / "licences.md")
    assert main() == 0
    assert (tmp_path / "licences.md").read_text(encoding="utf-8") == page(packages())


@pytest.mark.parametrize(
    ("licence", "kind"),
    [
        ("MIT", "permissive"),
        ("BSD License; MIT License", "permissive"),
        ("Apache-2.0 WITH LLVM-exception", "permissive"),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", "file-based"),
        ("Mozilla Public License 2.0 (MPL 2.0)", "file-based"),
        ("LGPL-2.1-or-later", "library"),
        ("GNU Lesser General Public License v3 (LGPLv3)", "library"),
        ("GPL-3.0-only", "unknown"),
        ("AGPL-3.0", "unknown"),
        ("GNU General Public License v3 (GPLv3)", "unknown"),
        ("GNU Affero General Public License v3", "unknown"),
        ("MIT AND GPL-2.0", "unknown"),
        ("MIT OR GPL-2.0", "permissive"),
        ("Business Source License 1.1", "unknown"),
        ("CC-BY-NC-4.0", "unknown"),
        ("Proprietary", "unknown"),
        ("not said", "unknown"),
    ],
)
def test_kinds(licence: str, kind: str) -> None:
    assert kind_of(licence) == kind
