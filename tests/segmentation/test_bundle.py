"""A bundle comes back bit for bit, and each way it can be broken has its own words."""

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from segmentation import Bundle, DecodeParams, Preprocessing, UNet
from segmentation.bundle import CARD, CONFIG, FORMAT_VERSION, WEIGHTS
from segmentation.errors import BundleError
from tests.conftest import bright_is_nucleus


@pytest.fixture
def folder(bundle_folder: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(bundle_folder, tmp_path / "copy"))


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    config = json.loads((folder / CONFIG).read_text())
    change(config)
    (folder / CONFIG).write_text(json.dumps(config))


def rehash(folder: Path) -> None:
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    edit(folder, lambda config: config.update(weights_sha256=digest))


def test_round_trip(tmp_path: Path) -> None:
    torch.manual_seed(0)
    bundle = Bundle(
        UNet(in_channels=1, channels=(2, 3, 4), dropout=(0.0, 0.1, 0.2)),
        Preprocessing(channels=1, low_percentile=1.0, high_percentile=99.0, block=99),
        DecodeParams(threshold=0.37, separation=1.25, min_area=9),
        training={"epochs": 3, "data": "drawn"},
        scores={"kaggle": 0.5},
    )
    loaded = Bundle.load(bundle.save(tmp_path / "deep" / "er"))
    assert loaded.preprocessing == bundle.preprocessing
    assert loaded.decode == bundle.decode
    assert loaded.training == bundle.training
    assert loaded.scores == bundle.scores
    assert loaded.network.arguments == bundle.network.arguments
    assert not loaded.network.training
    before, after = bundle.network.state_dict(), loaded.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_revision_is_the_hash_of_the_weights(bundle_folder: Path, tmp_path: Path) -> None:
    loaded = Bundle.load(bundle_folder)
    assert loaded.revision == hashlib.sha256((bundle_folder / WEIGHTS).read_bytes()).hexdigest()[:12]
    again = Bundle.load(loaded.save(tmp_path / "again"))
    assert again.revision == loaded.revision
    with torch.no_grad():
        loaded.network.head.bias += 1
    assert Bundle.load(loaded.save(tmp_path / "other")).revision != again.revision


def test_weights_are_plain_safetensors(bundle_folder: Path, bundle: Bundle) -> None:
    stored = load_file(bundle_folder / WEIGHTS)
    assert sum(value.numel() for value in stored.values()) == sum(p.numel() for p in bundle.network.parameters())


def test_nothing_is_unpickled(bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((torch, "load"), (pickle, "load"), (pickle, "loads"), (pickle, "Unpickler")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("unpickled"))
    Bundle.load(bundle_folder)


def test_card_holds_what_was_measured(tmp_path: Path) -> None:
    bundle = Bundle(
        UNet(channels=(2, 2), dropout=(0.0, 0.0)),
        decode=DecodeParams(threshold=0.43),
        training={"data": "DSB 2018 | stage 1", "epochs": 30},
        scores={"kaggle_score": 0.65432, "pictures": 67},
    )
    card = (bundle.save(tmp_path / "b") / CARD).read_text()
    assert card.startswith("---\nlicense: ")
    assert "| kaggle_score | 0.6543 |" in card
    assert "| pictures | 67 |" in card
    assert "| data | DSB 2018 \\| stage 1 |" in card
    assert "| threshold | 0.4300 |" in card
    assert "2, 2 channels" in card
    assert "Not recorded." not in card
    assert (Bundle(bundle.network).save(tmp_path / "c") / CARD).read_text().count("Not recorded.") == 2


def test_save_replaces_an_older_bundle_and_leaves_nothing_else(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    bundle.save(folder)
    Bundle(bundle.network, decode=DecodeParams(threshold=0.9)).save(str(folder))
    assert Bundle.load(folder).decode.threshold == 0.9
    assert [item.name for item in tmp_path.iterdir()] == ["model"]
    assert sorted(item.name for item in folder.iterdir()) == sorted([CARD, CONFIG, WEIGHTS])
    assert folder.stat().st_mode & 0o444 == 0o444


@pytest.mark.parametrize("mine", [("notes.txt",), (CONFIG, "thesis.tex")])
def test_save_spares_other_files(bundle: Bundle, mine: tuple[str, ...], tmp_path: Path) -> None:
    for name in mine:
        (tmp_path / name).write_text("keep me")
    with pytest.raises(BundleError, match="holds other files"):
        bundle.save(tmp_path)
    assert all((tmp_path / name).read_text() == "keep me" for name in mine)


def test_save_over_a_file_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("keep me")
    with pytest.raises(BundleError, match="taken: there is a file"):
        bundle.save(tmp_path / "taken")
    with pytest.raises(BundleError, match="cannot be written"):
        bundle.save(tmp_path / "taken" / "inside")
    assert (tmp_path / "taken").read_text() == "keep me"


@pytest.mark.parametrize("method", ["write_bytes", "rename"])
def test_a_full_disk_leaves_the_old_bundle(
    method: str, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = bundle.save(tmp_path / "model")
    original = getattr(Path, method)

    def fail(self: Path, *arguments: Any) -> Any:
        if self.name in (CARD, "fresh"):
            raise OSError(28, "No space left on device")
        return original(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Path, method, fail)
        patch.setattr("segmentation.atomic._exchange", lambda *_: False)  # as on systems without such a thing
        with pytest.raises(BundleError, match="No space left on device"):
            Bundle(bundle.network, decode=DecodeParams(threshold=0.9)).save(folder)
    assert Bundle.load(folder).decode == bundle.decode
    assert [item.name for item in tmp_path.iterdir()] == ["model"]


def test_values_json_cannot_hold_leave_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        Bundle(bright_is_nucleus().network, training={"where": tmp_path}).save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"absent: there is no such model folder"):
        Bundle.load(tmp_path / "absent")


@pytest.mark.parametrize("name", ["last.ckpt", "model.pt", "pytorch_model.bin"])
def test_folder_with_a_pickle_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({"weights": 1}))
    with pytest.raises(BundleError, match=f"{name} is a pickle and is never opened"):
        Bundle.load(tmp_path)


def test_missing_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    with pytest.raises(BundleError, match=f"{WEIGHTS} is missing"):
        Bundle.load(folder)


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-10], lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:], lambda _: b""],
    ids=["cut short", "one bit", "empty"],
)
def test_damaged_weights(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    (folder / WEIGHTS).write_bytes(damage((folder / WEIGHTS).read_bytes()))
    with pytest.raises(BundleError, match="does not match the hash"):
        Bundle.load(folder)


def test_weights_of_another_bundle(folder: Path, tmp_path: Path) -> None:
    other = Bundle(UNet(channels=(3, 4), dropout=(0.0, 0.0))).save(tmp_path / "other")
    shutil.copy(other / WEIGHTS, folder / WEIGHTS)
    with pytest.raises(BundleError, match="of another bundle"):
        Bundle.load(folder)
    rehash(folder)
    with pytest.raises(BundleError, match=r"do not describe a network that fits together.*is not of the size that"):
        Bundle.load(folder)


def test_weights_with_a_tensor_lost(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors.pop("head.bias")
    save_file(tensors, folder / WEIGHTS)
    rehash(folder)
    with pytest.raises(BundleError, match=r"head\.bias"):
        Bundle.load(folder)


def test_weights_that_are_no_safetensors(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(pickle.dumps([1, 2, 3]))
    rehash(folder)
    with pytest.raises(BundleError, match="SafetensorError"):
        Bundle.load(folder)


@pytest.mark.parametrize("text", ["", "{", "\x00\x01", "<html>"])
def test_config_that_is_no_json(folder: Path, text: str) -> None:
    (folder / CONFIG).write_text(text)
    with pytest.raises(BundleError, match="not readable as JSON"):
        Bundle.load(folder)


@pytest.mark.parametrize("text", ["[]", "{}", '"text"', '{"format_version": "1"}'])
def test_config_without_a_version(folder: Path, text: str) -> None:
    (folder / CONFIG).write_text(text)
    with pytest.raises(BundleError, match="states no format_version"):
        Bundle.load(folder)


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "newer": (lambda c: c.update(format_version=FORMAT_VERSION + 1), "newer than 2.*update Nucleoscope"),
    "unknown network": (lambda c: c["network"].update(name="vit"), "network 'vit'.*not known here"),
    "unknown map": (lambda c: c["network"].update(maps=["foreground", "flow"]), "flow.*not known here"),
    "a map twice": (lambda c: c["network"].update(maps=["foreground"] * 2), "not known here"),
    "no foreground": (lambda c: c["network"].update(maps=["distance"]), "distance.*not known here"),
    "no maps": (lambda c: c["network"].pop("maps"), "fits together"),
    "network is text": (lambda c: c.update(network="unet"), "fits together"),
    "unknown argument": (lambda c: c["network"]["arguments"].update(depth=5), "depth"),
    "levels that differ": (
        lambda c: c["network"]["arguments"].update(dropout=[0.1]),
        "as many rates from 0 to 1 as there are channels",
    ),
    "no hash": (lambda c: c.pop("weights_sha256"), "does not match the hash"),
    "threshold": (lambda c: c["decode"].update(threshold=2.0), "threshold=2.0"),
    "threshold is text": (lambda c: c["decode"].update(threshold="half"), "fits together"),
    "min_area is NaN": (lambda c: c["decode"].update(min_area=float("nan")), "min_area=nan"),
    "unknown decode parameter": (lambda c: c["decode"].update(sharpness=1), "sharpness"),
    "percentiles": (lambda c: c["preprocessing"].update(low_percentile=100), "0 <= low < high"),
    "other channels": (lambda c: c["preprocessing"].update(channels=1), "takes 3 channels"),
    "no decode": (lambda c: c.pop("decode"), "decode"),
    "training is a number": (lambda c: c.update(training=3), "fits together"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_config_that_does_not_fit(folder: Path, name: str) -> None:
    change, words = CHANGES[name]
    edit(folder, change)
    with pytest.raises(BundleError, match=words) as caught:
        Bundle.load(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_memory_is_taken_for_a_network_that_the_weights_are_not_of(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["network"]["arguments"] |= {"channels": [10**7, 10**7], "dropout": [0, 0]}  # a petabyte and more
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BundleError, match="is not of the size that the network has there"):
        Bundle.load(folder)


def test_network_with_more_maps_than_are_named(tmp_path: Path) -> None:
    folder = Bundle(UNet(out_channels=2, channels=(2, 2), dropout=(0.0, 0.0))).save(tmp_path / "two")
    with pytest.raises(BundleError, match="predicts 2 maps"):
        Bundle.load(folder)
