"""The running mean of the weights: its formula in a real fit, and that a cut and resumed fit is an unbroken one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from data_modules import SegmentationDataModule, SyntheticNuclei
from lightning_modules.callbacks import AveragedWeights
from lightning_modules.segmentation_module import SegmentationModule
from lightning_modules.train import main
from segmentation import Bundle
from segmentation.errors import ParameterError
from segmentation.residual_unet import ResidualUNet

State = dict[str, torch.Tensor]


class Witness(Callback):
    """Notes the weights after every step, and those that validation sees."""

    def __init__(self) -> None:
        self.learning: list[State] = []
        self.judged: list[State] = []

    def _state(self, module: LightningModule) -> State:
        assert isinstance(module, SegmentationModule)
        return {name: value.clone() for name, value in module.network.state_dict().items()}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.learning.append(self._state(pl_module))

    def on_validation_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if not trainer.sanity_checking and (not self.judged or len(self.judged) <= trainer.current_epoch):
            self.judged.append(self._state(pl_module))


def fit(callbacks: list[Callback], folder: Path, epochs: int = 3) -> SegmentationModule:
    torch.manual_seed(0)
    module = SegmentationModule(ResidualUNet(channels=(4, 6)), maps=("foreground", "boundary"), learning_rate=0.02)
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    source = SyntheticNuclei(pictures=24, size=48, nuclei=4)
    trainer.fit(module, SegmentationDataModule(source, crop=32, batch_size=4, workers=0, crops_per_epoch=16))
    return module


def means(states: list[State], decay: float) -> list[State]:
    """After every step, in float64: the first weights, and from there what min(decay, (1 + n) / (10 + n)) keeps."""
    found = [{name: value.double() for name, value in states[0].items()}]
    for n, state in enumerate(states[1:], start=1):
        keep = min(decay, (1 + n) / (10 + n))
        found.append({name: keep * found[-1][name] + (1 - keep) * value.double() for name, value in state.items()})
    return found


def same(first: State, second: State) -> None:
    for name, value in first.items():
        if second[name].is_floating_point():  # not the normalisations' count of batches
            torch.testing.assert_close(second[name].double(), value.double(), atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.parametrize("decay", [0.4, 0.998])
def test_mean_follows_the_formula(decay: float, tmp_path: Path) -> None:
    witness = Witness()
    module = fit([AveragedWeights(decay), witness], tmp_path)
    assert len(witness.learning) == 12
    expected = means(witness.learning, decay)
    same(expected[-1], module.network.state_dict())
    assert len(witness.judged) == 3
    for epoch, judged in enumerate(witness.judged):
        same(expected[4 * epoch + 3], judged)
    moved = (expected[-1]["stem.1.0.weight"] - witness.learning[-1]["stem.1.0.weight"]).abs().max()
    assert moved > 1e-4


def test_the_weights_that_learn_do_not_notice(tmp_path: Path) -> None:
    """Steps are those of a fit without averaging, also after a validation with the mean."""
    witness, alone = Witness(), Witness()
    fit([AveragedWeights(0.9), witness], tmp_path, epochs=2)
    fit([alone], tmp_path, epochs=2)
    for first, second in zip(witness.learning, alone.learning, strict=True):
        for name, value in first.items():
            torch.testing.assert_close(second[name], value, rtol=0, atol=0, msg=name)


def test_decay_zero_is_no_averaging(tmp_path: Path) -> None:
    witness = Witness()
    module = fit([AveragedWeights(0.0), witness], tmp_path, epochs=1)
    same(witness.learning[-1], module.network.state_dict())


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5, float("nan")])
def test_decay_out_of_range(decay: float) -> None:
    with pytest.raises(ParameterError, match=f"decay={decay}"):
        AveragedWeights(decay)


def arguments(project_root: Path, root: Path, **more: str) -> list[str]:
    """The shipped model's recipe on generated pictures, with a network of two small levels."""
    settings = {
        "--data.source": "data_modules.synthetic.SyntheticNuclei",
        "--data.source.init_args.pictures": "24",
        "--data.source.init_args.size": "48",
        "--data.source.init_args.nuclei": "4",
        "--data.crop": "32",
        "--data.batch_size": "4",
        "--data.crops_per_epoch": "16",
        "--data.workers": "0",
        "--model.network.init_args.channels": "[4,8]",
        "--trainer.max_epochs": "2",
        "--trainer.default_root_dir": str(root),
        "--trainer.enable_progress_bar": "false",
        "--trainer.enable_model_summary": "false",
        "--trainer.accelerator": "cpu",
        **more,
    }
    config = ["fit", "--config", str(project_root / "configs" / "nuclei.yaml")]
    return [*config, *(part for item in settings.items() for part in item)]


def checkpoint(root: Path) -> dict[str, Any]:
    return torch.load(root / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)


@pytest.fixture(scope="module")
def unbroken(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("unbroken")
    main(arguments(project_root, root))
    return root


def test_resumed_run_equals_an_unbroken_one(
    unbroken: Path, project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = SegmentationModule.training_step

    def cut_off(self: SegmentationModule, batch: Any, batch_index: int) -> torch.Tensor:
        if self.current_epoch == 1 and batch_index == 2:
            raise ConnectionAbortedError("power cut")
        return original(self, batch, batch_index)

    monkeypatch.setattr(SegmentationModule, "training_step", cut_off)
    with pytest.raises(ConnectionAbortedError):
        main(arguments(project_root, tmp_path))
    assert checkpoint(tmp_path)["epoch"] == 0
    monkeypatch.setattr(SegmentationModule, "training_step", original)
    main(arguments(project_root, tmp_path, **{"--ckpt_path": "last"}))
    first, second = checkpoint(unbroken), checkpoint(tmp_path)
    assert first["averaging_state"]["n_averaged"] == 8
    for part in ("state_dict", "current_model_state", "averaging_state"):
        assert first[part].keys() == second[part].keys()
        for name, value in first[part].items():
            torch.testing.assert_close(second[part][name], value, rtol=0, atol=0, msg=f"{part} {name}")
    assert any((first["current_model_state"][name] != value).any() for name, value in first["state_dict"].items())
    bundles = Bundle.load(unbroken / "bundle"), Bundle.load(tmp_path / "bundle")
    assert bundles[0].revision == bundles[1].revision
    assert bundles[0].decode == bundles[1].decode


def test_maps_that_only_helped_do_not_ship(unbroken: Path, project_root: Path, tmp_path: Path) -> None:
    """The exported network is the trained one with its other outputs cut off."""
    main(arguments(project_root, tmp_path, **{"--export.maps": "[foreground]"}))
    whole, kept = Bundle.load(unbroken / "bundle"), Bundle.load(tmp_path / "bundle")
    assert (whole.maps, kept.maps) == (("foreground", "distance"), ("foreground",))
    best = ResidualUNet(**whole.network.arguments).eval()
    state = torch.load(tmp_path / "checkpoints" / "best.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    best.load_state_dict({name.removeprefix("network."): value for name, value in state.items()})
    images = torch.rand(1, 3, 20, 24)
    with torch.inference_mode():
        torch.testing.assert_close(kept.network(images), best(images)[:, :1])
    for wrong in ("[distance]", "[foreground, boundary]"):
        with pytest.raises(ParameterError, match="foreground with them"):
            main(arguments(project_root, tmp_path / "wrong", **{"--export.maps": wrong}))


def test_the_mean_is_what_ships(unbroken: Path) -> None:
    best = torch.load(unbroken / "checkpoints" / "best.ckpt", map_location="cpu", weights_only=True)
    bundle = Bundle.load(unbroken / "bundle")
    assert type(bundle.network) is ResidualUNet
    learning = best["current_model_state"]
    for name, value in bundle.network.state_dict().items():
        torch.testing.assert_close(value, best["state_dict"][f"network.{name}"], rtol=0, atol=0, msg=name)
    assert any((learning[f"network.{n}"] != value).any() for n, value in bundle.network.state_dict().items())
