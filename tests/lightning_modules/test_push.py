"""``fit --push.repo_id``: the exported bundle is published; whatever the Hub does, the run ends well."""

import json
import shlex
from pathlib import Path

import pytest

from lightning_modules.push import PushToHub
from lightning_modules.train import command_line
from segmentation import Bundle
from segmentation.bundle import CONFIG, WEIGHTS
from segmentation.hub import main as hub_main
from tests.hub_server import HubServer
from tests.lightning_modules.test_train import arguments

pytest_plugins = ("tests.hub_fixtures",)
NAME = "lab/nuclei"


def fit(root: Path, project_root: Path, **more: str) -> int:
    """The real command on the tiny recipe, one epoch."""
    settings = {"--push.repo_id": NAME, "--trainer.max_epochs": "1", "--data.source.init_args.pictures": "12", **more}
    return command_line(arguments("fit", root, project_root, **settings))


def test_the_exported_bundle_is_published(hub: HubServer, tmp_path: Path, project_root: Path) -> None:
    assert fit(tmp_path, project_root, **{"--push.private": "true", "--push.revision": "trained"}) == 0
    repository = hub.model(NAME)
    assert repository.private
    files = repository.at("trained").files
    for name in (CONFIG, WEIGHTS):
        assert files[name].data == (tmp_path / "bundle" / name).read_bytes()
    assert json.loads(files[CONFIG].data)["training"]["epochs"] == 1
    assert sum("/commit/" in line for line in hub.log) == 1


def test_a_hub_that_is_down_costs_nothing_and_the_model_is_pushed_later(
    hub: HubServer, tmp_path: Path, project_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.faults.add(".*", times=1000, status=503)
    with pytest.warns(UserWarning, match="The model was not published") as caught:
        assert fit(tmp_path, project_root, **{"--push.create_pr": "false", "--push.license": "mit"}) == 0
    [message] = [str(each.message) for each in caught if "not published" in str(each.message)]
    assert "the Hub has a fault of its own" in message
    Bundle.load(tmp_path / "bundle")
    assert (tmp_path / "checkpoints" / "last.ckpt").exists()
    hub.faults.reset()
    command = shlex.split(message.splitlines()[-1])
    assert command[:3] == ["python", "-m", "segmentation.hub"]
    assert hub_main(command[3:]) == 0
    assert "license: mit" in hub.model(NAME).file("main", "README.md").data.decode()


def test_a_fault_that_nobody_foresaw_costs_nothing(
    hub: HubServer, tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by the way")

    monkeypatch.setattr("segmentation.hub_push.push", fail)
    with pytest.warns(UserWarning, match="ZeroDivisionError: by the way"):
        assert fit(tmp_path, project_root) == 0


def test_without_a_token_the_run_ends_before_it_begins(
    hub: HubServer,
    tmp_path: Path,
    project_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert fit(tmp_path, project_root) == 1
    assert "error: The Hub must know who publishes, and there is no token here" in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()


def test_names_no_model_has_end_it_too(
    hub: HubServer, tmp_path: Path, project_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(tmp_path, project_root, **{"--push.repo_id": "nuclei"}) == 1
    assert "OWNER/NAME" in capsys.readouterr().err
    assert hub.log == []


def test_a_dry_run_and_a_run_without_a_name_publish_nothing(
    hub: HubServer, tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fit(tmp_path, project_root, **{"--trainer.fast_dev_run": "true"}) == 0
    monkeypatch.delenv("HF_TOKEN")
    assert fit(tmp_path, project_root, **{"--push.repo_id": "null"}) == 0
    assert hub.log == []


def test_the_command_for_later() -> None:
    callback = PushToHub(NAME, revision="a b", private=True, create_pr=True, license="cc0-1.0")
    assert callback.command(Path("runs/my run/bundle")) == (
        "python -m segmentation.hub push 'runs/my run/bundle' lab/nuclei --private --revision 'a b' --create-pr "
        "--license cc0-1.0"
    )
