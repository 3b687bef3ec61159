"""Means of weights and wider networks, against answers that follow from their definitions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_modules.weights import main, mean_of, widened
from segmentation import Bundle
from segmentation.errors import ParameterError
from segmentation.preprocessing import Preprocessing
from segmentation.residual_unet import ResidualUNet
from segmentation.unet import UNet


def small(seed: int, channels: tuple[int, ...] = (4, 6), **arguments: int) -> Bundle:
    """An untrained bundle whose normalisation has seen something, so that none of its weights are 0 or 1."""
    torch.manual_seed(seed)
    network = ResidualUNet(3, 2, channels, fine=3, **arguments)
    with torch.no_grad():
        torch.nn.init.normal_(network.fine.correct.weight)  # type: ignore[union-attr]
        network.train()(torch.rand(2, 3, 16, 16))
    return Bundle(network.eval(), Preprocessing(), maps=("foreground", "distance"), scores={"validation kaggle": 0.5})


def test_the_mean_of_weights_is_what_torch_averages() -> None:
    bundles = [small(seed) for seed in range(3)]
    mean = mean_of(bundles, [2, 1, 1])
    averaged = torch.optim.swa_utils.AveragedModel(bundles[0].network, use_buffers=True)
    for index in (0, 1, 2):
        averaged.update_parameters(bundles[index].network)
    averaged.update_parameters(bundles[0].network)  # twice as much as the others
    for (key, value), weights in zip(averaged.module.state_dict().items(), mean.stored.weights.items(), strict=True):
        assert key == weights[0]
        np.testing.assert_allclose(weights[1], value.numpy(), rtol=1e-5, atol=1e-6)
    assert mean.scores == {}
    assert mean.training["weights"].startswith("mean of 3 bundles, shares [2, 1, 1]")


@pytest.mark.parametrize("shares", [[1.0], [1.0, 0.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_shares_that_make_no_mean_are_refused(shares: list[float]) -> None:
    with pytest.raises(ParameterError, match="share above 0 each"):
        mean_of([small(0), small(1)], shares)


def test_different_networks_have_no_mean() -> None:
    with pytest.raises(ParameterError, match="one network"):
        mean_of([small(0), small(0, channels=(4, 8))])
    with pytest.raises(ParameterError, match="one network"):
        mean_of([small(0), replace(small(0), maps=("foreground", "boundary"))])
    with pytest.raises(ParameterError, match="same preprocessing"):
        mean_of([small(0), replace(small(0), preprocessing=Preprocessing(low_percentile=1.0))])
    with pytest.raises(ParameterError, match="name a bundle"):
        mean_of([])


@pytest.mark.parametrize("channels", [(7, 6), (4, 9), (5, 11)])
def test_a_widened_network_answers_as_before_and_can_learn(channels: tuple[int, ...]) -> None:
    bundle = small(0)
    wide = widened(bundle, channels)
    images = torch.rand(2, 3, 20, 24)
    with torch.no_grad():
        torch.testing.assert_close(wide.network(images), bundle.network(images), rtol=1e-5, atol=1e-6)
    wide.network.train().logits(images).square().mean().backward()
    for name, weights in wide.network.named_parameters():
        old = bundle.network.get_parameter(name).shape
        if weights.ndim == 4 and weights.shape[1] > old[1]:  # what reads new channels
            assert weights.grad is not None, name
            assert weights.grad[: old[0], old[1] :].any(), name


def test_a_seed_gives_the_same_wider_network_and_leaves_others_alone() -> None:
    bundle = small(0)
    state = torch.random.get_rng_state()
    first, second, third = (widened(bundle, (5, 6), seed).stored.weights["stem.1.0.weight"] for seed in (1, 1, 2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_what_cannot_be_widened_is_refused() -> None:
    with pytest.raises(ParameterError, match="none smaller"):
        widened(small(0), (3, 6))
    with pytest.raises(ParameterError, match="one number for each"):
        widened(small(0), (4, 6, 8))
    with pytest.raises(ParameterError, match="only residual_unet"):
        widened(Bundle(UNet(channels=(2, 4), dropout=(0, 0)), Preprocessing()), (4, 4))


def test_the_commands_write_bundles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (0, 1):
        small(seed).save(tmp_path / str(seed))
    main(["mean", str(tmp_path / "mean"), str(tmp_path / "0"), str(tmp_path / "1"), "--shares", "3", "1"])
    weights = [Bundle.load(tmp_path / name).stored.weights["stem.1.0.weight"] for name in ("0", "1", "mean")]
    np.testing.assert_allclose(weights[2], 0.75 * weights[0] + 0.25 * weights[1], rtol=1e-4, atol=1e-8)
    main(["widen", str(tmp_path / "wide"), str(tmp_path / "mean"), "--channels", "5", "6"])
    assert Bundle.load(tmp_path / "wide").stored.arguments["channels"] == [5, 6]
    assert "widened from (4, 6) channels" in (tmp_path / "wide" / "README.md").read_text(encoding="utf-8")
    assert "Wrote" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"Error: .*none smaller"):
        main(["widen", str(tmp_path / "narrow"), str(tmp_path / "mean"), "--channels", "5", "5"])
