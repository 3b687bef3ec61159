"""Fetching: the same labels in another process, cached, offline, pinned, resumed; nothing that carries code."""

import logging
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segmentation import Bundle, Segmenter
from segmentation.bundle import CARD, CONFIG, WEIGHTS
from segmentation.errors import BundleError, HubError, ParameterError
from segmentation.examples import make_example
from segmentation.hub_list import models
from segmentation.hub_pull import pull
from segmentation.hub_push import push
from segmentation.model_source import is_hub_id, resolve
from tests.conftest import bright_is_nucleus
from tests.hub_fixtures import NAME, downloads, files
from tests.hub_repositories import Commit
from tests.hub_server import HubServer, Run

pytest_plugins = ("tests.hub_fixtures",)
SEGMENT = """
import sys
import numpy as np
from segmentation import Segmenter
name, commit, picture, out = sys.argv[1:]
models = [(name, None), (name, commit), (f"{name}@{commit}", None)]
segmenters = [Segmenter.from_pretrained(model, "cpu", revision=revision) for model, revision in models]
np.save(out, [segmenter(np.load(picture)).labels for segmenter in segmenters])
"""


def test_the_shipped_model_gives_the_same_labels_in_another_process(
    hub: HubServer, python: Run, project_root: Path, tmp_path: Path
) -> None:
    shipped = project_root / "checkpoints" / "nuclei"
    picture = make_example("fluorescence", 5, height=200, width=260, nuclei=20).pixels
    np.save(tmp_path / "picture.npy", picture)
    commit = push(shipped, NAME).commit
    expected = Segmenter.from_pretrained(shipped, "cpu")(picture).labels
    answer = python("-c", SEGMENT, NAME, commit, str(tmp_path / "picture.npy"), str(tmp_path / "labels.npy"))
    assert answer.returncode == 0, answer.stderr
    for labels in np.load(tmp_path / "labels.npy"):
        np.testing.assert_array_equal(labels, expected)
    assert expected.max() > 10


def test_only_the_bundles_own_files_are_fetched(published: HubServer, bundle_folder: Path) -> None:
    published.hub.put(published.model(NAME), {"pytorch_model.bin": pickle.dumps(print), "code.py": b"import os"})
    folder = pull(NAME)
    assert {path.name for path in folder.iterdir()} == {CONFIG, WEIGHTS, CARD}
    assert files(folder) == files(bundle_folder)
    assert folder.name == published.model(NAME).at("main").oid


def test_what_is_cached_is_not_fetched_again(published: HubServer) -> None:
    first = pull(NAME)
    published.log.clear()
    assert pull(NAME) == first
    assert downloads(published) == []
    published.log.clear()
    assert pull(NAME, first.name) == first
    assert published.log == []  # what a commit holds never changes, so the Hub is not even asked


def test_a_commit_pins_the_model_after_its_branch_moved(published: HubServer) -> None:
    old = published.model(NAME).at("main").oid
    push(bright_is_nucleus(threshold=0.9), NAME)
    assert Bundle.load(pull(NAME, old)).decode.threshold == 0.5
    assert Bundle.load(pull(NAME)).decode.threshold == 0.9
    assert Segmenter.from_pretrained(NAME, "cpu", revision=old).bundle.decode.threshold == 0.5


def test_branches(published: HubServer) -> None:
    push(bright_is_nucleus(threshold=0.9), NAME, revision="experiment/nine")
    assert Bundle.load(pull(NAME, "experiment/nine")).decode.threshold == 0.9
    assert Bundle.load(pull(NAME)).decode.threshold == 0.5


def test_offline_after_one_pull(published: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pull(NAME)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    published.log.clear()
    assert pull(NAME) == pull(NAME, "main") == pull(NAME, folder.name) == folder
    for name, revision in ((NAME, "next"), ("lab/other", None)):
        with pytest.raises(HubError, match="not in the cache of this machine and HF_HUB_OFFLINE is set"):
            pull(name, revision)
    assert published.log == []


def test_a_hub_that_is_down_leaves_the_cache(
    published: HubServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = pull(NAME)
    published.faults.add(".*", times=1000, status=503)
    with caplog.at_level(logging.WARNING):
        assert pull(NAME) == folder
    assert f"the cached commit {folder.name} is used" in caplog.text
    with pytest.raises(HubError, match="the Hub has a fault of its own"):
        pull(NAME, "next")
    published.faults.reset()
    published.hub.repositories.clear()  # an answer that is no, is no
    with pytest.raises(HubError, match="there is no such model"):
        pull(NAME)


def test_a_half_fetched_model_is_not_used(published: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    published.faults.add("GET /storage/.*", times=1000, status=500)
    with pytest.raises(HubError, match="the Hub has a fault"):
        pull(NAME)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="not in the cache"):
        pull(NAME)


def test_a_cut_connection_is_resumed(hub: HubServer, project_root: Path) -> None:
    shipped = project_root / "checkpoints" / "nuclei"
    push(shipped, NAME)
    hub.faults.add("GET /storage/.*", cut=1_000_000)
    hub.faults.add("GET /storage/.*", cut=2_000_000)
    assert files(pull(NAME)) == files(shipped)
    # in whole chunks of 256 KiB: 3 of them in the first million bytes, 7 in the next two million
    assert [line for line in hub.log if line.startswith("RANGE")] == ["RANGE 786432", "RANGE 2621440"]


def test_a_branch_that_moves_meanwhile(
    published: HubServer, bundle_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = published.model(NAME)
    describe = repository.described

    def then_move(commit: Commit, *, blobs: bool = True) -> dict[str, Any]:
        answer = describe(commit, blobs=blobs)
        published.hub.put(repository, {CONFIG: files(bundle_folder)[CONFIG] + b"\n"})
        return answer

    monkeypatch.setattr(repository, "described", then_move)
    with pytest.raises(HubError, match="it changed while it was being fetched; run the same again"):
        pull(NAME)


def test_a_damaged_cache_heals(published: HubServer, bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = (pull(NAME) / WEIGHTS).resolve()
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with monkeypatch.context() as offline:
        offline.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(BundleError, match=f"{NAME}: {WEIGHTS} does not match the hash"):
            pull(NAME)
    assert files(pull(NAME)) == files(bundle_folder)


def test_folders_win_and_hub_ids_are_told_from_paths(
    published: HubServer, bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve(NAME) == resolve(Path(NAME)) == pull(NAME)
    shutil.copytree(bundle_folder, tmp_path / NAME)
    published.log.clear()
    assert resolve(NAME) == Path(NAME)
    assert not is_hub_id(NAME)
    with pytest.raises(BundleError, match="a folder has no revisions"):
        resolve(NAME, "main")
    for path in ("model", "./lab/other", "/lab/other", "a/b/c", "lab\\other", "lab/", "lab/other@", ""):
        assert not is_hub_id(path)
        assert resolve(path) == Path(path)
    with pytest.raises(BundleError, match="there is no such model folder"):
        Segmenter.from_pretrained("missing")
    assert published.log == []
    with pytest.raises(HubError, match=r"lab/nuclie is no folder here, so the Hub was asked\. lab/nuclie: there is no"):
        resolve("lab/nuclie")


def test_two_revisions_at_once(published: HubServer) -> None:
    with pytest.raises(BundleError, match="names one revision and 'main' is another"):
        resolve(f"{NAME}@next", "main")
    assert resolve(f"{NAME}@main", "main") == pull(NAME)


def test_models_are_found_by_their_tag(published: HubServer, bundle_folder: Path) -> None:
    published.hub.add("somebody/words", {CARD: b"---\ntags: [bert]\n---\n"})
    published.hub.add("somebody/cells", {CARD: b"---\ntags: [nucleoscope]\n---\n"})
    push(bundle_folder, "lab/secret", private=True)
    found = {model.repo_id: model for model in models()}
    assert set(found) == {NAME, "somebody/cells", "lab/secret"}
    assert found[NAME].revision == published.model(NAME).at("main").oid
    assert (found[NAME].downloads, found[NAME].likes, found[NAME].private) == (7, 3, False)
    assert str(found[NAME].updated) == "2026-01-02 03:04:05+00:00"
    assert found["lab/secret"].private
    assert [model.repo_id for model in models("somebody")] == ["somebody/cells"]
    assert len(models(limit=1)) == 1
    assert models("nobody") == []
    with pytest.raises(ParameterError, match="limit=0"):
        models(limit=0)


def test_a_damaged_cache_heals_for_a_pinned_commit(published: HubServer, bundle_folder: Path) -> None:
    folder = pull(NAME)
    path = (folder / WEIGHTS).resolve()
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert files(pull(NAME, folder.name)) == files(bundle_folder)
