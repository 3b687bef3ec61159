"""The real command line on generated pictures."""

import csv
import itertools
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from lightning_modules import train
from lightning_modules.metrics import Scoreboard
from lightning_modules.precision import half_precision_pays
from lightning_modules.segmentation_module import SegmentationModule
from lightning_modules.train import command_line, main
from segmentation import Bundle, Segmenter
from segmentation.errors import BundleError, DataError
from segmentation.examples import make_example

TINY = {
    "--data.source.init_args.pictures": "24",
    "--data.source.init_args.size": "48",
    "--data.source.init_args.nuclei": "4",
    "--data.crop": "32",
    "--data.batch_size": "4",
    "--data.workers": "0",
    "--model.network.init_args.channels": "[4,8]",
    "--model.network.init_args.dropout": "[0.2,0.2]",
    "--trainer.max_epochs": "2",
    "--trainer.enable_progress_bar": "false",
    "--trainer.enable_model_summary": "false",
    "--trainer.accelerator": "cpu",
}


def arguments(command: str, root: Path, project_root: Path, **more: str) -> list[str]:
    settings = {**TINY, "--trainer.default_root_dir": str(root), **more}
    config = ["--config", str(project_root / "configs" / "synthetic.yaml")]
    return [command, *config, *(part for item in settings.items() for part in item)]


def weights(root: Path) -> dict[str, torch.Tensor]:
    state = torch.load(root / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)
    return state["state_dict"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Path:
    """A run of two epochs with everything ``fit`` leaves behind."""
    root = tmp_path_factory.mktemp("run")
    main(arguments("fit", root, project_root))
    return root


def test_fit_leaves_logs_checkpoints_and_a_bundle(trained: Path) -> None:
    assert {"best.ckpt", "last.ckpt"} <= {p.name for p in (trained / "checkpoints").iterdir()}
    logs = trained / "logs" / "version_0"
    with (logs / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    logged = {name for row in rows for name, value in row.items() if value}
    assert {"train/loss_step", "val/loss", "val/iou", "val/dice", "val/kaggle", "val/ap50", "val/ap95"} <= logged
    assert {"val/kaggle_tissue", "val/kaggle_fluorescence"} & logged
    assert list(logs.glob("events.out.tfevents.*"))
    bundle = Bundle.load(trained / "bundle")
    assert {"validation kaggle", "validation iou", "validation dice", "validation ap50"} <= set(bundle.scores)
    assert bundle.training["data"] == "SyntheticNuclei"
    assert "validation kaggle" in (trained / "bundle" / "README.md").read_text()


def test_tensorboard_holds_overlays(trained: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained / "logs" / "version_0"))
    events.Reload()
    tags = events.Tags()["images"]
    assert any(tag.startswith("val/synthetic") for tag in tags)


def test_last_checkpoint_is_of_the_last_epoch(trained: Path) -> None:
    """Also when the score did not improve in it."""
    assert torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 1


def test_bundle_holds_the_best_weights_and_tells_when_they_were_reached(
    tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which are those of the first epoch here, since every later one is made to score less."""
    original, falling = Scoreboard.pop, itertools.count()
    monkeypatch.setattr(Scoreboard, "pop", lambda self: {**original(self), "kaggle": torch.tensor(-next(falling) / 9)})
    main(arguments("fit", tmp_path, project_root))
    best = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["epoch"] == 0
    bundle = Bundle.load(tmp_path / "bundle")
    for name, value in bundle.network.state_dict().items():
        torch.testing.assert_close(value, best["state_dict"][f"network.{name}"], rtol=0, atol=0)
    assert (bundle.training["epochs"], bundle.training["steps"]) == (1, best["global_step"])


def test_resumed_run_equals_an_unbroken_one(
    trained: Path, tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = SegmentationModule.training_step

    def cut_off(self: SegmentationModule, batch: object, batch_index: int) -> torch.Tensor:
        if self.current_epoch == 1 and batch_index == 1:
            raise ConnectionAbortedError("power cut")
        return original(self, batch, batch_index)  # type: ignore[arg-type]

    monkeypatch.setattr(SegmentationModule, "training_step", cut_off)
    with pytest.raises(ConnectionAbortedError):
        main(arguments("fit", tmp_path, project_root))
    monkeypatch.setattr(SegmentationModule, "training_step", original)
    main(arguments("fit", tmp_path, project_root, **{"--ckpt_path": "last"}))
    unbroken, resumed = weights(trained), weights(tmp_path)
    assert unbroken.keys() == resumed.keys()
    for name, value in unbroken.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize("command", ["validate", "test"])
def test_a_bundle_can_be_judged_without_its_checkpoint(trained: Path, project_root: Path, command: str) -> None:
    run = main(arguments(command, trained, project_root, **{"--model.bundle": str(trained / "bundle")}))
    stage = "val" if command == "validate" else command
    scores = {name: float(value) for name, value in run.trainer.callback_metrics.items()}
    assert 0 <= scores[f"{stage}/kaggle"] <= 1
    if command == "validate":  # the very numbers on the card
        card = Bundle.load(trained / "bundle").scores
        for name in ("kaggle", "iou", "dice", "ap50"):
            assert scores[f"val/{name}"] == pytest.approx(card[f"validation {name}"], abs=1e-6)


@pytest.mark.parametrize("command", ["fit", "test"])
def test_other_split_than_the_bundle_learned_from(
    trained: Path, tmp_path: Path, project_root: Path, command: str
) -> None:
    """With another validation part or fold, pictures that a model has learned would judge it."""
    more = {"--model.bundle": str(trained / "bundle"), "--trainer.max_epochs": "1", "--data.seed": "7"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        main(arguments(command, tmp_path / "same", project_root, **more))
    assert not [w for w in caught if "another split" in str(w.message)]
    if command == "fit":
        note = Bundle.load(tmp_path / "same" / "bundle").training["started from"]
        assert note == f"a bundle of {Bundle.load(trained / 'bundle').training['steps']} steps"
    with pytest.warns(UserWarning, match=r"another split .*held-out fold: 0 then, 1 now; split seed: 0 then, 3 now"):
        main(arguments(command, tmp_path, project_root, **more, **{"--data.fold": "1", "--data.split_seed": "3"}))


def test_predict_writes_what_the_segmenter_finds(trained: Path, tmp_path: Path, project_root: Path) -> None:
    pictures = tmp_path / "in"
    pictures.mkdir()
    for seed in range(2):
        drawn = make_example("fluorescence", seed, height=40, width=56, nuclei=4)
        Image.fromarray(drawn.pixels[..., 0]).save(pictures / f"p{seed}.png")
    more = {
        "--data.predict_path": str(pictures),
        "--model.bundle": str(trained / "bundle"),
        "--predictions.folder": str(tmp_path / "out"),
    }
    main(arguments("predict", trained, project_root, **more))
    segmenter = Segmenter.from_pretrained(trained / "bundle", "cpu")
    for seed in range(2):
        written = tifffile.imread(tmp_path / "out" / f"p{seed}_labels.tif")
        np.testing.assert_array_equal(written, segmenter(pictures / f"p{seed}.png").labels)
        assert (tmp_path / "out" / f"p{seed}_overlay.png").exists()


def test_two_processes_train_one_network(tmp_path: Path, project_root: Path) -> None:
    """Distributed data parallel: the shares of the pictures differ, the weights do not, and one bundle comes out."""
    more = {"--trainer.devices": "2", "--trainer.strategy": "ddp", "--trainer.max_epochs": "1"}
    command = [sys.executable, "-m", "lightning_modules.train", *arguments("fit", tmp_path, project_root, **more)]
    answer = subprocess.run(command, cwd=project_root, capture_output=True, text=True, timeout=240)
    assert answer.returncode == 0, answer.stderr[-2000:]
    scores = Bundle.load(tmp_path / "bundle").scores
    assert 0 <= scores["validation kaggle"] <= 1
    assert weights(tmp_path)


def test_errors_reach_the_user_as_sentences(trained: Path, tmp_path: Path, project_root: Path) -> None:
    with pytest.raises(DataError, match=r"--data\.predict_path"):
        main(arguments("predict", tmp_path, project_root))
    with pytest.raises(BundleError, match="no such model folder"):
        main(arguments("test", tmp_path, project_root, **{"--model.bundle": str(tmp_path / "none")}))


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("--model.decode.threshold", "3", "threshold=3.0: a probability"),
        ("--data.crop", "0", "crop=0"),
        ("--data.source.init_args.pictures", "0", "pictures=0"),
        ("--data.augmentation.invert", "2", "invert=2.0"),
        ("--model.bundle", "nowhere", "nowhere: there is no such model folder"),
        ("--data.fold_table", "nowhere.csv", "nowhere.csv: not readable as a fold table"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    tmp_path: Path, project_root: Path, capsys: pytest.CaptureFixture[str], setting: str, value: str, says: str
) -> None:
    assert command_line(arguments("fit", tmp_path, project_root, **{setting: value})) == 1
    *_, last = capsys.readouterr().err.strip().splitlines()
    assert last.startswith("error: ")
    assert says in last


def test_a_bundle_without_a_place_is_known_before_training(tmp_path: Path, project_root: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "thesis.docx").touch()
    with pytest.raises(BundleError, match=r"thesis\.docx"):
        main(arguments("fit", tmp_path, project_root))
    assert not (tmp_path / "checkpoints").exists()


def test_augmentation_presets_are_named_by_file(tmp_path: Path, project_root: Path) -> None:
    strong = str(project_root / "configs" / "augmentation" / "strong.yaml")
    more = {"--data.augmentation": strong, "--trainer.max_epochs": "1", "--export.tune": "false"}
    run = main(arguments("fit", tmp_path, project_root, **more))
    assert run.datamodule.augmenter.params.invert == 0.2


@pytest.mark.parametrize(("amx", "precision"), [(False, "32-true"), (True, "bf16-mixed")])
def test_precision_follows_the_device(
    trained: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch, amx: bool, precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx, "avx512_bf16": True})
    run = main(arguments("validate", trained, project_root, **{"--model.bundle": str(trained / "bundle")}))
    assert run.config.validate.trainer.precision == precision


def test_processors_that_know_nothing_of_it_train_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"neon": True})
    assert not any(half_precision_pays(name) for name in ("cpu", "auto", "mps"))


def test_the_default_recipe_is_the_shipped_models(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(train, "SegmentationCLI", lambda *_, args, **__: seen.append(args))
    train.main(["fit"])
    train.main(["fit", "--config", "other.yaml"])
    assert train.DEFAULT_CONFIG.name == "nuclei.yaml"
    assert seen == [["fit", "--config", str(train.DEFAULT_CONFIG)], ["fit", "--config", "other.yaml"]]


def test_slide_recipe_trains_the_exact_network(project_root: Path, tmp_path: Path) -> None:
    """The recipe's own network and loss, on two steps of generated pictures in place of the download."""
    more = {
        "--data.source": "data_modules.synthetic.SyntheticNuclei",
        "--data.workers": "0",
        "--trainer.default_root_dir": str(tmp_path),
        "--trainer.max_epochs": "1",
        "--data.source.init_args.pictures": "16",
        "--data.source.init_args.size": "64",
        "--data.batch_size": "4",
        "--trainer.accelerator": "cpu",
        "--trainer.enable_progress_bar": "false",
        "--export.tune": "false",
        "--data.crop": "64",
    }
    config = ["fit", "--config", str(project_root / "configs" / "slide.yaml")]
    run = main([*config, *(part for item in more.items() for part in item)])
    network = run.model.network
    assert sum(p.numel() for p in network.parameters()) == 1_941_105
    assert run.model.dice_weight == 1.0
