"""The repository as a Space: what its card and its requirements say agrees, and what is deployed runs."""

import ast
import re
import resource
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

import pytest
import yaml
from gradio_client import Client, handle_file
from PIL import Image

import app
from benchmarks.space import as_ordinary_user, read_only_space, served
from segmentation.app_requirements import HEADLESS_OPENCV, TRAINING, app_requirements, main
from segmentation.space_files import LEFT_OUT, MANIFEST, checkout_files, front_matter, space_files
from tests.conftest import ROOT, squares
from tests.hub_repositories import metadata

PINS = dict(
    re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
)


@pytest.fixture(scope="module")
def card() -> dict:
    return front_matter((ROOT / "README.md").read_text(encoding="utf-8"))


def test_the_card_agrees_with_the_requirements(card: dict) -> None:
    assert card["sdk"] == "gradio"
    assert card["sdk_version"] == PINS["gradio"] == version("gradio")
    assert (ROOT / card["app_file"]).is_file()
    project = (ROOT / "pyproject.toml").read_text()
    assert f'requires-python = ">={card["python_version"]}"' in project
    assert card["license"] == re.search(r'license = "(.+)"', project)[1].lower()  # type: ignore[index]


def test_the_hub_takes_the_card(card: dict) -> None:
    assert metadata((ROOT / "README.md").read_text(encoding="utf-8"), "space") == card
    assert set(card) >= {"title", "emoji", "colorFrom", "colorTo", "models", "tags", "short_description"}
    assert len(card["emoji"]) == 1
    assert 10 < len(card["short_description"]) <= 60
    assert "nucleoscope" in card["tags"]


def test_every_library_that_the_app_imports_is_required() -> None:
    """By what the code says, imports inside of functions too, of all files that are deployed."""
    lines = app_requirements((ROOT / "requirements.txt").read_text(), cuda=True).splitlines()
    installed = _with_their_own({_canonical(line) for line in lines if line[0] not in "#-"})
    # The same library as its headless build, and the one that is installed here.
    installed.add("opencv-python")
    distributions = packages_distributions()
    ours = {"segmentation", "ui", "app", "spaces", *sys.stdlib_module_names}
    for name, path in checkout_files().items():
        for module in _imported(Path(str(path))) - ours if name.endswith(".py") else ():
            offered = {_canonical(each) for each in distributions.get(module, [module])}
            assert offered & installed, f"{name} imports {module}"


def _canonical(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


def _with_their_own(names: set[str]) -> set[str]:
    """Distributions, and those that they bring."""
    found, waiting = set[str](), {*names} - {_canonical(HEADLESS_OPENCV)}
    while waiting:
        name = waiting.pop()
        found.add(name)
        try:
            needs = requires(name) or []
        except PackageNotFoundError:  # for another system, or another Python
            continue
        waiting |= {_canonical(need) for need in needs if "extra ==" not in need} - found
    return found


def _imported(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.split(".")[0] for name in names}


def test_training_and_windows_stay_behind() -> None:
    text = app_requirements((ROOT / "requirements.txt").read_text(), cuda=False)
    assert not any(line.startswith(TRAINING) for line in text.splitlines())
    assert HEADLESS_OPENCV in text
    assert HEADLESS_OPENCV in (ROOT / "Makefile").read_text()
    assert set(TRAINING) <= {name.lower() for name in PINS}
    # Installed from requirements.txt itself, imgaug brings the other build, and a Space the libraries that it needs.
    assert "opencv-python" in [re.split(r"[^\w-]", each)[0] for each in requires("pyimgaug") or []]
    assert (ROOT / "packages.txt").read_text().split() == ["libgl1", "libglib2.0-0"]


def test_requirements_without_anything_installed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = ROOT / "segmentation" / "app_requirements.py"
    bare = [sys.executable, "-I", "-S", str(script), str(ROOT / "requirements.txt")]
    answer = subprocess.run(bare, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answer.stdout == app_requirements((ROOT / "requirements.txt").read_text(), cuda=False)
    assert f"torch=={PINS['torch']}+cpu\n" in answer.stdout
    assert main([str(tmp_path / "missing.txt")]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_every_file_of_the_packages_is_deployed() -> None:
    """So that a new kind of file in them is not forgotten."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no Git checkout")
    asked = ["git", "ls-files", "ui", "segmentation", "checkpoints", "app.py", "LICENSE"]
    tracked = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in tracked if not name.startswith(LEFT_OUT)} <= set(checkout_files())


def test_the_manifest_lists_all_else() -> None:
    files = space_files(checkout_files(), cuda=False)
    assert yaml.safe_load(bytes(files[MANIFEST]))["files"] == sorted(set(files) - {MANIFEST})  # type: ignore[arg-type]


def test_models_of_the_list_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nuclei", "another"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").touch()
    monkeypatch.setattr(app, "DEFAULT_MODEL", tmp_path / "nuclei")
    assert app.shipped_models() == [tmp_path / "nuclei", tmp_path / "another"]
    (tmp_path / "models.txt").write_text("lab/nuclei@0123\n\n")
    assert app.shipped_models() == ["lab/nuclei@0123", tmp_path / "nuclei", tmp_path / "another"]


def test_what_is_deployed_serves_the_page_to_an_ordinary_user_who_may_write_nothing(tmp_path: Path) -> None:
    try:
        ordinary = as_ordinary_user(sys.executable)
    except FileNotFoundError:
        pytest.skip("root cannot become an ordinary user here: no setpriv")
    Image.fromarray(squares()).save(tmp_path / "six.png")
    with read_only_space(space_files(checkout_files(), cuda=False)) as (root, temporary):
        before = sorted(root.rglob("*"))
        write = [*ordinary, sys.executable, "-c", "open('mine.txt', 'w')"]
        assert b"PermissionError" in subprocess.run(write, cwd=root, capture_output=True).stderr
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        # The variables that a Space sets.
        space = {"SYSTEM": "spaces", "SPACE_ID": "lab/space", "SPACE_HOST": "lab-space.hf.space"}
        with served(root, temporary, OMP_NUM_THREADS="1", **space) as page:
            client = Client(page.address, verbose=False)
            answer, _ = client.predict(picture=handle_file(tmp_path / "six.png"), api_name="/segment")
        assert answer["nuclei"] == 6
        assert sorted(root.rglob("*")) == before
    # On a machine that does much else, of its own time: that is what it would take there alone.
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = used.ru_utime - spent.ru_utime + used.ru_stime - spent.ru_stime
    assert min(page.seconds, own) < 30
