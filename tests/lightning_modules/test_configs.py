"""Every recipe in configs/ starts: one step of training and one picture of validation, on generated pictures."""

from pathlib import Path

import pytest

from lightning_modules.train import main
from segmentation.instance_maps import known_names

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs").glob("*.yaml"))


def test_recipes_are_found() -> None:
    assert {"nuclei", "slide", "synthetic"} <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_recipe_starts(config: Path, tmp_path: Path) -> None:
    settings = {
        "--data.source": "data_modules.synthetic.SyntheticNuclei",
        "--data.source.init_args.pictures": "12",
        "--data.source.init_args.size": "64",
        "--data.source.init_args.nuclei": "4",
        "--data.crop": "64",
        "--data.batch_size": "2",
        "--data.workers": "0",
        "--trainer.fast_dev_run": "1",
        "--trainer.default_root_dir": str(tmp_path),
        "--trainer.enable_progress_bar": "false",
        "--trainer.enable_model_summary": "false",
        "--trainer.accelerator": "cpu",
    }
    run = main(["fit", "--config", str(config), *(part for item in settings.items() for part in item)])
    module = run.model
    assert run.trainer.global_step == 1
    assert known_names(module.maps)
    assert module.network.arguments["out_channels"] == len(module.maps)
    scores = {name: float(value) for name, value in run.trainer.callback_metrics.items()}
    assert scores["train/loss"] > 0
    assert scores["val/loss"] > 0
    assert 0 <= scores["val/kaggle"] <= 1
