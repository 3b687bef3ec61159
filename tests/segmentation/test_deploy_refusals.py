"""What is never deployed, and where nothing is ever deployed to; each with its own sentence."""

import json
import shutil
from pathlib import Path

import pytest

from segmentation.bundle import WEIGHTS
from segmentation.errors import BundleError, HubError
from segmentation.hub_deploy import deploy
from segmentation.hub_push import push
from segmentation.space_files import MANIFEST
from tests.hub_server import HubServer
from tests.space_checkout import NAME, README, SPACE, space, write

pytest_plugins = ("tests.hub_fixtures", "tests.space_checkout")


@pytest.mark.parametrize("readme", [b"---\ntitle: Theirs\nsdk: gradio\n---\n", README.encode()])
def test_another_app_is_not_pushed_aside(readme: bytes, hub: HubServer, checkout: Path) -> None:
    before = hub.hub.add(SPACE, {"README.md": readme, "app.py": b"theirs"}, kind="spaces").at("main").oid
    with pytest.raises(HubError, match=r"it is a Space of something else \(app.py\), so nothing was deployed"):
        deploy(SPACE, root=checkout)
    assert space(hub).at("main").oid == before


def test_private_never_goes_to_a_public_space(hub: HubServer, checkout: Path) -> None:
    before = hub.hub.add(SPACE, {}, kind="spaces").at("main").oid
    with pytest.raises(HubError, match="exists and is public, so nothing was deployed"):
        deploy(SPACE, root=checkout, private=True)
    assert space(hub).at("main").oid == before
    deploy("lab/hidden", root=checkout, private=True)
    assert hub.model("lab/hidden", "spaces").private


@pytest.mark.parametrize(
    ("repo_id", "model", "words"),
    [
        ("space", None, "'space': a Space is called OWNER/NAME"),
        ("lab/-x", None, "names look like OWNER/NAME"),
        (SPACE, "checkpoints/nuclei", "publish a folder first"),
        (SPACE, "nuclei", "a Space starts with a model on the Hub, OWNER/NAME"),
    ],
)
def test_names_that_cannot_be(repo_id: str, model: str | None, words: str, hub: HubServer, checkout: Path) -> None:
    with pytest.raises(HubError, match=words):
        deploy(repo_id, root=checkout, model=model)
    assert hub.log == []


def test_a_model_that_is_not_there(hub: HubServer, checkout: Path) -> None:
    with pytest.raises(HubError, match="there is no such model"):
        deploy(SPACE, root=checkout, model="lab/missing")
    assert hub.hub.repositories == {}


@pytest.mark.parametrize("missing", ["app.py", "LICENSE", "requirements.txt", "ui/page.py", "checkpoints/nuclei"])
def test_a_file_that_is_missing_is_named(missing: str, hub: HubServer, checkout: Path) -> None:
    shutil.rmtree(checkout / missing) if missing.endswith("nuclei") else (checkout / missing).unlink()
    with pytest.raises(HubError, match=f"no {missing} here, and the Space needs it; run this from a whole checkout"):
        deploy(SPACE, root=checkout)
    assert hub.log == []


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("README.md", "---\ntitle: x\n---\n![gone](docs/gone.png)\n", "README.md shows docs/gone.png, which is not in"),
        ("README.md", "---\ntitle: x\n---\n![out](../secret.png)\n", "README.md shows ../secret.png, which is not in"),
        ("requirements.txt", "gradio==6.31.0\n", "names no torch"),
        ("requirements.txt", "torch>=2\n", "line 1 of requirements.txt, 'torch>=2', pins no version"),
    ],
)
def test_files_that_cannot_be_understood(name: str, text: str, words: str, hub: HubServer, checkout: Path) -> None:
    write(checkout, name, text)
    write(checkout.parent, "secret.png")
    with pytest.raises(HubError, match=words):
        deploy(SPACE, root=checkout)
    assert ("spaces", SPACE) not in hub.hub.repositories or len(space(hub).commits) == 1


def test_a_readme_without_front_matter_cannot_name_a_model(hub: HubServer, checkout: Path, bundle_folder: Path) -> None:
    push(bundle_folder, NAME)
    write(checkout, "README.md", "# Nucleoscope\n")
    with pytest.raises(HubError, match="does not begin with what the Hub reads"):
        deploy(SPACE, root=checkout, model=NAME)


def test_a_broken_bundle_is_not_deployed(hub: HubServer, checkout: Path) -> None:
    weights = checkout / "checkpoints" / "nuclei" / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(BundleError, match="does not match the hash"):
        deploy(SPACE, root=checkout)
    assert hub.log == []


def test_a_manifest_that_is_none(hub: HubServer, checkout: Path) -> None:
    deploy(SPACE, root=checkout)
    hub.hub.put(space(hub), {MANIFEST: json.dumps({"files": 3}).encode()})
    with pytest.raises(HubError, match="is no list of what was deployed; delete it there"):
        deploy(SPACE, root=checkout)


def test_without_a_token_and_offline(hub: HubServer, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HubError, match="'laptop' may only read"):
        deploy(SPACE, root=checkout, token="hf_read")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match="there is no token here"):
        deploy(SPACE, root=checkout)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set, so nothing can be deployed"):
        deploy(SPACE, root=checkout)
    assert hub.hub.repositories == {}
