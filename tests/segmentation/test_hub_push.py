"""Publishing: one commit that holds everything, a card that searches read, and nothing pushed aside or leaked."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from PIL import Image

from segmentation import Bundle, Preprocessing, Segmenter, UNet
from segmentation.bundle import CARD, CONFIG, WEIGHTS
from segmentation.errors import BundleError, HubError, ParameterError
from segmentation.hub_card import EXAMPLE, example_picture, hub_card
from segmentation.hub_push import push
from tests.conftest import bright_is_nucleus
from tests.hub_server import HubServer, Run

pytest_plugins = ("tests.hub_fixtures",)
NAME = "lab/nuclei"


def test_everything_arrives_in_one_commit(hub: HubServer, bundle_folder: Path) -> None:
    published = push(bundle_folder, NAME)
    repository = hub.model(NAME)
    assert len(repository.commits) == 2  # the first is the Hub's own
    commit = repository.at("main")
    assert published.commit == commit.oid
    assert published.url == f"{hub.url}/{NAME}/commit/{commit.oid}"
    assert set(commit.files) == {".gitattributes", CONFIG, WEIGHTS, CARD, EXAMPLE}
    assert commit.files[WEIGHTS].lfs
    for name in (CONFIG, WEIGHTS):
        assert commit.files[name].data == (bundle_folder / name).read_bytes()
    assert sum("/commit/" in line for line in hub.log) == 1
    assert not repository.private


def test_a_segmenter_pushes_itself(hub: HubServer, bundle: Bundle, bundle_folder: Path) -> None:
    published = Segmenter(bundle, "cpu").push_to_hub(NAME, private=True)
    files = hub.model(NAME).at(published.commit).files
    assert files[WEIGHTS].data == (bundle_folder / WEIGHTS).read_bytes()
    assert hub.model(NAME).private


def test_pushing_the_same_again_makes_no_commit(hub: HubServer, bundle_folder: Path) -> None:
    first = push(bundle_folder, NAME)
    assert push(bundle_folder, NAME).commit == first.commit
    assert len(hub.model(NAME).commits) == 2


def test_a_new_model_takes_the_old_ones_place_and_the_old_stays_by_its_commit(
    hub: HubServer, bundle_folder: Path
) -> None:
    first = push(bundle_folder, NAME)
    second = push(bright_is_nucleus(threshold=0.9), NAME)
    repository = hub.model(NAME)
    assert json.loads(repository.file("main", CONFIG).data)["decode"]["threshold"] == 0.9
    assert repository.at("main").oid == second.commit != first.commit
    assert json.loads(repository.file(first.commit, CONFIG).data)["decode"]["threshold"] == 0.5


def test_a_branch_is_created_and_main_stays(hub: HubServer, bundle_folder: Path) -> None:
    published = push(bundle_folder, NAME, revision="next")
    assert WEIGHTS not in hub.model(NAME).at("main").files
    assert hub.model(NAME).branches["next"] == published.commit
    again = push(bright_is_nucleus(threshold=0.9), NAME, revision="next")  # the branch is there already
    assert hub.model(NAME).branches["next"] == again.commit


def test_a_pull_request_to_somebody_elses_model(hub: HubServer, bundle_folder: Path) -> None:
    repository = hub.hub.add("somebody/nuclei", {CARD: b"---\ntags: [nucleoscope]\n---\n", CONFIG: b"{}"})
    before = repository.at("main").oid
    published = push(bundle_folder, "somebody/nuclei", create_pr=True)
    assert published.url == f"{hub.url}/somebody/nuclei/discussions/1"
    assert repository.at("main").oid == before
    assert repository.at("refs/pr/1").oid == published.commit
    assert repository.file("refs/pr/1", WEIGHTS).data == (bundle_folder / WEIGHTS).read_bytes()


@pytest.mark.parametrize(("revision", "create_pr"), [("next", True), ("0" * 40, False), (" ", False)])
def test_revisions_that_cannot_be_pushed_to(
    revision: str, create_pr: bool, hub: HubServer, bundle_folder: Path
) -> None:
    with pytest.raises(ParameterError, match="revision="):
        push(bundle_folder, NAME, revision=revision, create_pr=create_pr)
    assert hub.log == []


@pytest.mark.parametrize("name", ["nuclei", "a/b/c", "lab/-x", "lab/nu clei", ""])
def test_names_that_no_model_has(name: str, hub: HubServer, bundle_folder: Path) -> None:
    with pytest.raises(HubError, match="OWNER/NAME"):
        push(bundle_folder, name)
    assert hub.log == []


def test_private_never_goes_to_a_public_repository(hub: HubServer, bundle_folder: Path) -> None:
    before = hub.hub.add(NAME, {}).at("main").oid
    with pytest.raises(HubError, match="exists and is public, so nothing was pushed"):
        push(bundle_folder, NAME, private=True)
    assert hub.model(NAME).at("main").oid == before


def test_another_kind_of_model_is_not_pushed_aside(hub: HubServer, bundle_folder: Path) -> None:
    before = hub.hub.add(NAME, {CONFIG: b"{}", WEIGHTS: b"theirs"}).at("main").oid
    with pytest.raises(HubError, match="another kind of model"):
        push(bundle_folder, NAME)
    assert hub.model(NAME).at("main").oid == before


def test_a_broken_bundle_is_not_published(hub: HubServer, bundle_folder: Path, tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_bytes((bundle_folder / CONFIG).read_bytes())
    (tmp_path / WEIGHTS).write_bytes((bundle_folder / WEIGHTS).read_bytes()[:-4])
    with pytest.raises(BundleError, match="does not match the hash"):
        push(tmp_path, NAME)
    assert hub.log == []


SCORES = {
    "validation kaggle": 0.5,
    "held-out kaggle": 0.4,
    "held-out ap50": 0.75,
    "held-out dice": 0.875,
    "held-out kaggle, tissue": 0.25,
    "held-out pictures": 166,
    "held-out iou": float("nan"),
}
DATA = "2018 Data Science Bowl, stage 1 (BBBC038, CC0)"


def test_the_hubs_own_reader_understands_the_card(hub: HubServer) -> None:
    bundle = bright_is_nucleus()
    push(Bundle(bundle.network, training={"data": DATA}, scores=SCORES), NAME, license="cc-by-4.0")
    text = hub.model(NAME).file("main", CARD).data.decode()
    data = ModelCard(text).data
    assert (data.license, data.library_name, data.pipeline_tag) == ("cc-by-4.0", "nucleoscope", "image-segmentation")
    assert data.tags == hub.model(NAME).tags == ["nucleoscope", "microscopy", "nuclei", "u-net"]
    assert data.datasets == ["BBBC038"]
    assert data.metrics == ["mean_average_precision", "average_precision", "dice"]
    assert data.model_name == "nuclei"
    found = {(r.dataset_split, r.dataset_config, r.metric_name): r.metric_value for r in data.eval_results}
    assert found == {
        ("validation", None, "Kaggle score, IoU 0.50 to 0.95"): 0.5,
        ("test", None, "Kaggle score, IoU 0.50 to 0.95"): 0.4,
        ("test", None, "AP at IoU 0.50"): 0.75,
        ("test", None, "Dice of the foreground"): 0.875,
        ("test", "tissue", "Kaggle score, IoU 0.50 to 0.95"): 0.25,
    }
    assert {r.dataset_name for r in data.eval_results} == {DATA}
    assert f'Segmenter.from_pretrained("{NAME}")' in text
    assert f"]({EXAMPLE})" in text
    assert "| held-out kaggle | 0.4000 |" in text
    assert "not for diagnosis" in text


def test_a_card_without_scores_claims_none(bundle_folder: Path) -> None:
    config = json.loads((bundle_folder / CONFIG).read_text())
    data = ModelCard(hub_card(config, NAME, license="mit", picture=False)).data.to_dict()
    assert set(data) == {"license", "library_name", "pipeline_tag", "tags"}


def test_the_example_is_what_the_model_finds() -> None:
    data = example_picture(bright_is_nucleus(min_area=5))
    assert data == example_picture(bright_is_nucleus(min_area=5))
    with Image.open(io.BytesIO(data or b"")) as file:
        picture = np.asarray(file)
    assert picture.shape == (384, 576, 3)
    above, below = picture[:192, :192].astype(int), picture[192:, :192].astype(int)
    changed = (above != below).any(axis=2)
    assert 0.01 < changed.mean() < 0.5  # outlines on the fluorescent one, and nothing but outlines


def test_a_model_of_five_channels_is_published_without_a_picture(hub: HubServer) -> None:
    network = UNet(in_channels=5, channels=(2, 2), dropout=(0.0, 0.0))
    push(Bundle(network.eval(), Preprocessing(channels=5)), NAME)
    assert EXAMPLE not in hub.model(NAME).at("main").files
    assert EXAMPLE not in hub.model(NAME).file("main", CARD).data.decode()


def test_without_a_token(hub: HubServer, bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match="there is no token here; log in with `hf auth login`, or set HF_TOKEN"):
        push(bundle_folder, NAME)
    assert hub.log == []


def test_with_a_token_that_may_only_read(hub: HubServer, bundle_folder: Path) -> None:
    with pytest.raises(HubError, match="'laptop' may only read; make one with write access"):
        push(bundle_folder, NAME, token="hf_read")
    assert hub.log == ["GET /api/whoami-v2"]
    assert push(bundle_folder, NAME, token="hf_write").repo_id == NAME


def test_with_a_token_the_hub_does_not_know(hub: HubServer, bundle_folder: Path) -> None:
    with pytest.raises(HubError, match=r"does not know your token \(401\)"):
        push(bundle_folder, NAME, token="hf_old")


def test_to_somebody_elses_name(hub: HubServer, bundle_folder: Path) -> None:
    with pytest.raises(HubError, match=r"refuses this to your token \(403"):
        push(bundle_folder, "somebody/nuclei")
    assert hub.hub.repositories == {}


def test_offline(hub: HubServer, bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set, so nothing can be published"):
        push(bundle_folder, NAME)


def test_local_models_never_load_the_client(python: Run) -> None:
    code = (
        "import sys, segmentation, segmentation.__main__\n"
        "segmentation.Segmenter.from_pretrained('checkpoints/nuclei', 'cpu')\n"
        "print('huggingface_hub' in sys.modules)"
    )
    answer = python("-c", code)
    assert (answer.stdout, answer.stderr) == ("False\n", "")
