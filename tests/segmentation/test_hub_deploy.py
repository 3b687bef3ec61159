"""Deploying: the app's files and no others, in one commit; against a Hub on loopback."""

import shutil
from functools import partial
from pathlib import Path

import pytest
from huggingface_hub import RepoCard

from segmentation.app_requirements import HEADLESS_OPENCV
from segmentation.bundle import CARD, CONFIG, WEIGHTS
from segmentation.errors import HubError
from segmentation.hub import main
from segmentation.hub_deploy import deploy
from segmentation.hub_push import push
from segmentation.space_files import MANIFEST, MODELS
from tests.hub_server import HubServer
from tests.space_checkout import APP, BUNDLE, NAME, README, SPACE, held, space, write

pytest_plugins = ("tests.hub_fixtures", "tests.space_checkout")


def test_the_apps_files_and_no_others_in_one_commit(hub: HubServer, checkout: Path) -> None:
    deployed = deploy(SPACE, root=checkout)
    assert deployed.url == f"{hub.url}/spaces/{SPACE}"
    assert deployed.commit == space(hub).at("main").oid
    assert len(space(hub).commits) == 2  # the first is the Hub's own
    files = held(hub)
    assert set(files) == {*APP, *BUNDLE, MANIFEST, ".gitattributes"}
    assert {*deployed.files} == {*APP, *BUNDLE, MANIFEST}
    assert not any(b"keep me here" in data for data in files.values())
    for name in set(files) - {"requirements.txt", MANIFEST, ".gitattributes"}:
        assert files[name] == (checkout / name).read_bytes()
    assert space(hub).at("main").files[f"checkpoints/nuclei/{WEIGHTS}"].lfs
    assert not space(hub).private
    assert not any("secrets" in line or "variables" in line for line in hub.log)


def test_requirements_are_those_of_the_app_and_of_the_spaces_hardware(hub: HubServer, checkout: Path) -> None:
    deploy(SPACE, root=checkout)
    lines = held(hub)["requirements.txt"].decode().splitlines()
    index = "--extra-index-url https://download.pytorch.org/whl/cpu"
    assert lines[1:] == [index, "torch==2.13.0+cpu", "gradio==6.31.0", HEADLESS_OPENCV]
    for hardware, torch in (("zero-a10g", "torch==2.13.0"), ("cpu-upgrade", "torch==2.13.0+cpu")):
        space(hub).hardware = hardware
        deploy(SPACE, root=checkout)
        assert torch in held(hub)["requirements.txt"].decode().splitlines()


def test_deploying_the_same_again_makes_no_commit(hub: HubServer, checkout: Path) -> None:
    first = deploy(SPACE, root=checkout)
    again = deploy(SPACE, root=checkout)
    assert (again.commit, again.removed) == (first.commit, ())
    assert len(space(hub).commits) == 2


def test_what_an_older_deployment_left_goes_and_what_others_put_there_stays(hub: HubServer, checkout: Path) -> None:
    write(checkout, "ui/old_tab.py", "")
    shutil.copytree(checkout / "checkpoints" / "nuclei", checkout / "checkpoints" / "older")
    deploy(SPACE, root=checkout)
    hub.hub.put(space(hub), {"notes.md": b"by hand", "ui/theirs.py": b"by hand"})
    (checkout / "ui" / "old_tab.py").unlink()
    shutil.rmtree(checkout / "checkpoints" / "older")
    write(checkout, "ui/new_tab.py", "")
    commits = len(space(hub).commits)
    deployed = deploy(SPACE, root=checkout)
    assert len(space(hub).commits) == commits + 1
    older = [f"checkpoints/older/{name}" for name in (CARD, CONFIG, WEIGHTS)]
    assert deployed.removed == (*older, "ui/old_tab.py")
    assert set(held(hub)) == {
        *APP, *BUNDLE, MANIFEST, ".gitattributes", "ui/new_tab.py", "notes.md", "ui/theirs.py"
    }  # fmt: skip


def test_a_file_that_is_gone_already_is_no_hindrance(hub: HubServer, checkout: Path) -> None:
    write(checkout, "ui/old_tab.py", "")
    deploy(SPACE, root=checkout)
    repository = space(hub)
    files = dict(repository.at("main").files)
    del files["ui/old_tab.py"]
    repository.commit("main", files, "by hand")
    (checkout / "ui" / "old_tab.py").unlink()
    assert deploy(SPACE, root=checkout).removed == ()


def test_a_space_that_the_repository_was_pushed_to_is_ours(hub: HubServer, checkout: Path) -> None:
    hub.hub.add(SPACE, {name: text.encode() for name, text in APP.items()} | {"tests/test_app.py": b""}, kind="spaces")
    assert deploy(SPACE, root=checkout).removed == ()
    assert MANIFEST in held(hub)


def test_somebody_else_deploys_at_the_same_moment(hub: HubServer, checkout: Path) -> None:
    deploy(SPACE, root=checkout)
    write(checkout, "app.py", "print('newer')\n")
    hub.faults.add(f"POST /api/spaces/{SPACE}/commit/main", status=412, message="The branch has moved")
    with pytest.raises(HubError, match=r"somebody else changed it at the same moment \(412"):
        deploy(SPACE, root=checkout)
    assert held(hub)["app.py"] == APP["app.py"].encode()


@pytest.mark.parametrize("cut", range(0, 5000, 1000))
def test_a_connection_that_breaks_leaves_the_old_or_the_new(cut: int, hub: HubServer, checkout: Path) -> None:
    deploy(SPACE, root=checkout)
    write(checkout, "ui/new.py", "new\n")
    write(checkout, "app.py", "print('newer')\n")
    old = held(hub)
    hub.faults.reset()
    hub.faults.break_after(cut, sending=False, comes_back=False)
    with pytest.raises(HubError):
        deploy(SPACE, root=checkout)
    assert held(hub) == old
    hub.faults.reset()
    deploy(SPACE, root=checkout)
    assert {"ui/new.py", *old} == set(held(hub))


def test_a_model_of_the_hub_is_pinned_and_linked(hub: HubServer, checkout: Path, bundle_folder: Path) -> None:
    commit = push(bundle_folder, NAME).commit
    deployed = deploy(SPACE, root=checkout, model=f"{NAME}@main")
    files = held(hub)
    assert files[MODELS].decode() == f"{NAME}@{commit}\n"
    card = RepoCard(files["README.md"].decode())
    told = card.data.to_dict()
    assert told["models"] == [NAME]
    assert told["preload_from_hub"] == [f"{NAME} {CONFIG},{WEIGHTS} {commit}"]
    assert told["title"] == "Nucleoscope"
    assert card.text.strip() == README.split("---\n")[2].strip()
    assert set(files) >= BUNDLE
    assert deployed.needs_token is None
    assert deploy(SPACE, root=checkout).removed == (MODELS,)  # without a model again
    assert held(hub)["README.md"] == README.encode()


def test_a_private_model_needs_a_token_that_is_never_put_there(
    hub: HubServer, checkout: Path, bundle_folder: Path
) -> None:
    commit = push(bundle_folder, NAME, private=True).commit
    deployed = deploy(SPACE, root=checkout, model=NAME)
    assert deployed.needs_token == NAME
    files = held(hub)
    assert files[MODELS].decode() == f"{NAME}@{commit}\n"
    assert b"preload" not in files["README.md"]  # the Hub could not fetch it for the image
    assert not any(b"hf_write" in data for data in files.values())


def test_the_command_deploys_this_very_project(
    hub: HubServer, project_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", SPACE, "--private"]) == 0
    commit = space(hub).at("main")
    counted = f"{SPACE} at {commit.oid}: {len(commit.files) - 1} files, 0 older ones removed"
    assert capsys.readouterr().out == f"{counted}\n{hub.url}/spaces/{SPACE}\n"
    assert {"app.py", "ui/static/main.js", "segmentation/unet.py", "docs/page.png", "LICENSE"} <= set(commit.files)
    assert commit.files["app.py"].data == (project_root / "app.py").read_bytes()
    assert space(hub).private


def test_the_command_says_how_a_private_model_is_reached(
    hub: HubServer,
    checkout: Path,
    bundle_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    push(bundle_folder, NAME, private=True)
    monkeypatch.setattr("segmentation.hub.deploy", partial(deploy, root=checkout))
    assert main(["deploy", SPACE, "--model", NAME]) == 0
    told = capsys.readouterr().err
    assert f"Not everybody may read {NAME}, and no token was put into the Space" in told
    assert f"secret HF_TOKEN, at {hub.url}/spaces/{SPACE}/settings" in told
    assert main(["deploy", "space"]) == 1
    assert capsys.readouterr().err.startswith("error: 'space': a Space is called OWNER/NAME")
