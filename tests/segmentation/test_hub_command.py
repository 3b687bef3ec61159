"""``python -m segmentation.hub``, as it is typed, against a Hub at HF_ENDPOINT."""

from pathlib import Path

import pytest

from segmentation.bundle import CARD, CONFIG, WEIGHTS
from segmentation.hub import main
from segmentation.hub_push import push
from tests.hub_server import HubServer, Run

pytest_plugins = ("tests.hub_fixtures",)
NAME = "lab/nuclei"


def test_push_list_and_pull_in_processes_of_their_own(
    server: HubServer, python: Run, bundle_folder: Path, tmp_path: Path
) -> None:
    pushed = python("-m", "segmentation.hub", "push", str(bundle_folder), NAME, "--revision", "next", home="one")
    commit = server.model(NAME).branches["next"]
    assert (pushed.returncode, pushed.stdout) == (0, f"{NAME} at {commit}\n{server.url}/{NAME}/commit/{commit}\n")
    out = tmp_path / "out"
    pulled = python("-m", "segmentation.hub", "pull", NAME, "--revision", "next", "--out", str(out), token=None)
    assert (pulled.returncode, pulled.stdout) == (0, f"{out}\n")
    assert {path.name for path in out.iterdir()} == {CONFIG, WEIGHTS, CARD}
    assert all(not path.is_symlink() for path in out.iterdir())
    assert (out / WEIGHTS).read_bytes() == (bundle_folder / WEIGHTS).read_bytes()
    server.shutdown()
    server.server_close()
    offline = python("-m", "segmentation.hub", "pull", NAME, "--revision", commit, token=None, HF_HUB_OFFLINE="1")
    assert offline.returncode == 0
    assert offline.stdout.strip().endswith(commit)
    assert (pulled.stderr, offline.stderr) == ("", "")  # no terminal, no progress bar


def test_a_missing_token(
    hub: HubServer, bundle_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert main(["push", str(bundle_folder), NAME]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: The Hub must know who publishes, and there is no token here; log in")
    assert (captured.out, captured.err.count("\n")) == ("", 1)


def test_list(hub: HubServer, bundle_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    push(bundle_folder, NAME, private=True)
    hub.hub.add("somebody/cells", {CARD: b"---\ntags: [nucleoscope]\n---\n"})
    capsys.readouterr()
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    sha = hub.model(NAME).at("main").oid[:12]
    assert lines[0] == f"{NAME}      {sha}  2026-01-02  7 downloads, 3 likes, private"
    assert lines[1].startswith("somebody/cells  ")
    assert main(["list", "--author", "nobody"]) == 0
    assert capsys.readouterr() == ("", "No models of nobody carry the tag.\n")


def test_pull_prints_the_folder_and_replaces_an_older_bundle(
    hub: HubServer, bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit = push(bundle_folder, NAME).commit
    capsys.readouterr()
    assert main(["pull", NAME]) == 0
    assert Path(capsys.readouterr().out.strip()).name == commit
    out = tmp_path / "out"
    out.mkdir()
    (out / WEIGHTS).write_text("older")
    assert main(["pull", NAME, "--out", str(out)]) == 0
    assert (out / WEIGHTS).read_bytes() == (bundle_folder / WEIGHTS).read_bytes()
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []


def test_pull_pushes_nothing_else_aside(
    hub: HubServer, bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["pull", NAME, "--out", str(tmp_path)]) == 1
    assert "the folder holds other files" in capsys.readouterr().err
    assert hub.log == []  # said before anything is fetched


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["push", "missing", NAME], "there is no such model folder"),
        (["push", "FOLDER", "nuclei"], "OWNER/NAME"),
        (["push", "FOLDER", NAME, "--revision", "next", "--create-pr"], "a pull request goes to main"),
        (["pull", "lab/missing"], "there is no such model"),
        (["list", "--limit", "0"], "limit=0"),
    ],
)
def test_faults_are_one_line(
    arguments: list[str], words: str, hub: HubServer, bundle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(bundle_folder) if part == "FOLDER" else part for part in arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert words in captured.err
    assert captured.err.count("\n") == 1


def test_interrupted(hub: HubServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("segmentation.hub.models", interrupt)
    assert main(["list"]) == 1
    assert capsys.readouterr().err == "error: interrupted; nothing is left half done.\n"
