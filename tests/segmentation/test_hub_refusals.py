"""What is not fetched, or not used: each with words of its own, and never another model in its place."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segmentation import Segmenter
from segmentation.bundle import CONFIG, WEIGHTS
from segmentation.errors import BundleError, HubError
from segmentation.hub_pull import LIMITS, pull
from segmentation.hub_push import push
from tests.hub_fixtures import NAME, downloads, files
from tests.hub_server import HubServer

pytest_plugins = ("tests.hub_fixtures",)


def test_a_private_model(published: HubServer, bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(bundle_folder, "lab/secret", private=True)
    with pytest.raises(HubError, match="your token may not see it"):
        pull("lab/secret", token=False)  # a stranger's choice, though this machine has a token
    monkeypatch.delenv("HF_TOKEN")
    assert pull(NAME)  # a public one needs no token
    with pytest.raises(HubError, match=r"no such model at .*, or it is private and your token may not see it \(401\)"):
        pull("lab/secret")
    commit = pull("lab/secret", token="hf_read").name
    with pytest.raises(HubError, match="your token may not see it"):
        pull("lab/secret", commit, token=False)  # nor from the cache


def test_a_gated_model(published: HubServer) -> None:
    published.model(NAME).gated = True
    with pytest.raises(HubError, match="asks to accept terms first"):
        pull(NAME)


def test_names_and_revisions_that_are_not_there(published: HubServer) -> None:
    with pytest.raises(HubError, match=r"lab/missing: there is no such model at .* \(404\)"):
        pull("lab/missing")
    with pytest.raises(HubError, match=r"lab/nuclei@next: it has no such branch, tag or commit \(404\)"):
        pull(NAME, "next")
    with pytest.raises(HubError, match="OWNER/NAME"):
        pull("nuclei")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.ckpt", "weights/last.pt", "model.pkl"])
def test_pickles_alone_are_refused_before_anything_is_fetched(name: str, hub: HubServer) -> None:
    hub.hub.add(NAME, {name: pickle.dumps({"weights": 1}), CONFIG: b"{}"})
    with pytest.raises(
        HubError, match=rf"only as {name}, a pickle, which can run code .* ask its author for {WEIGHTS}"
    ):
        pull(NAME)
    assert downloads(hub) == []


@pytest.mark.parametrize("missing", [WEIGHTS, CONFIG])
def test_repositories_without_a_bundle(missing: str, hub: HubServer, bundle_folder: Path) -> None:
    hub.hub.add(NAME, {name: data for name, data in files(bundle_folder).items() if name != missing})
    with pytest.raises(HubError, match=f"holds no {missing}, so it is no model of Nucleoscope"):
        pull(NAME)


@pytest.mark.parametrize("name", LIMITS)
def test_sizes_are_checked_before_anything_is_fetched(
    name: str, published: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(published.model(NAME).file("main", name).data)
    monkeypatch.setitem(LIMITS, name, size - 1)
    with pytest.raises(HubError, match=rf"its {name} has {size:,} bytes and the limit is {size - 1:,}"):
        pull(NAME)
    assert downloads(published) == []
    monkeypatch.setitem(LIMITS, name, size)
    assert pull(NAME)


def edited(data: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    config = json.loads(data)
    change(config)
    return json.dumps(config).encode()


@pytest.mark.parametrize(
    ("change", "words", "weights_fetched"),
    [
        (lambda c: c.update(format_version=99), "bundle format 99 is newer .* update Nucleoscope", False),
        (lambda c: c.pop("format_version"), "states no format_version", False),
        (lambda c: c["network"].update(name="vit"), "network 'vit' .* is not known here", True),
        (lambda c: c["network"]["arguments"].update(channels=[3, 4]), "do not describe a network that fits", True),
        (lambda c: c.update(weights_sha256="0" * 64), "does not match the hash", True),
    ],
)
def test_bundles_that_cannot_be_used(
    change: Callable[[dict[str, Any]], Any], words: str, weights_fetched: bool, hub: HubServer, bundle_folder: Path
) -> None:
    own = files(bundle_folder)
    hub.hub.add(NAME, own | {CONFIG: edited(own[CONFIG], change)})
    with pytest.raises(BundleError, match=words) as caught:
        Segmenter.from_pretrained(NAME, "cpu")
    assert str(caught.value).startswith(NAME)  # not where the cache is
    assert any("/storage/" in line for line in downloads(hub)) == weights_fetched


def test_weights_that_were_published_cut_short(hub: HubServer, bundle_folder: Path) -> None:
    own = files(bundle_folder)
    hub.hub.add(NAME, own | {WEIGHTS: own[WEIGHTS][:-10]})
    with pytest.raises(BundleError, match=f"{NAME}: {WEIGHTS} does not match the hash in {CONFIG}"):
        pull(NAME)
