"""Every engine against PyTorch's own layers, the reference: same numbers, same labels."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from segmentation import Bundle, Segmenter, UNet
from segmentation.engine import choose_engine, has_openvino, make_runner
from segmentation.errors import ParameterError
from segmentation.examples import Appearance, make_example
from segmentation.networks import Network
from segmentation.residual_unet import ResidualUNet
from tests.conftest import bright_is_nucleus

NETWORKS: dict[str, Network] = {
    "unet": UNet(channels=(4, 6, 8), dropout=(0.1, 0.2, 0.3)),
    "unet of one channel": UNet(1, 3, channels=(4, 6), dropout=(0, 0)),
    "residual": ResidualUNet(out_channels=2, channels=(5, 6, 8)),
    "fine": ResidualUNet(out_channels=2, channels=(4, 6), block=4, fine=3),
    "no block": ResidualUNet(1, 1, channels=(4, 6), block=1),
}


def trained(network: Network) -> Network:
    """Running statistics and biases as no fresh network has them."""
    torch.manual_seed(4)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features)
            module.running_var = torch.rand(module.num_features) + 0.5
            nn.init.normal_(module.weight, 1.0, 0.3)
            nn.init.normal_(module.bias)
        elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.2)
            if module.bias is not None:
                nn.init.normal_(module.bias)
    return network.eval()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("shape", [(1, 1), (7, 50), (64, 32)])
def test_openvino_gives_pytorchs_numbers(name: str, shape: tuple[int, int]) -> None:
    network = trained(NETWORKS[name])
    prepared = np.random.default_rng(1).random((*shape, network.arguments["in_channels"]), np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(prepared.transpose(2, 0, 1).copy())[None])[0].numpy()
    assert expected.std() > 0.005 or shape == (1, 1)
    for engine in ("openvino", "pytorch"):
        maps = make_runner(network, "cpu", engine)(prepared)
        assert maps.dtype == np.float32
        np.testing.assert_allclose(maps, expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["fluorescence", "tissue"])
def test_the_shipped_model_gives_the_same_labels(project_root: Path, kind: Appearance) -> None:
    pixels = make_example(kind, 5, height=150, width=210, nuclei=24).pixels
    results = [
        Segmenter.from_pretrained(project_root / "checkpoints" / "nuclei", "cpu", engine=engine)(pixels)
        for engine in ("auto", "pytorch")
    ]
    assert [result.engine for result in results] == ["openvino", "pytorch"]
    np.testing.assert_allclose(results[0].maps, results[1].maps, atol=1e-4)
    np.testing.assert_array_equal(results[0].labels, results[1].labels)
    assert results[0].count > 10


def test_16_bits_are_close(project_root: Path) -> None:
    bundle = Bundle.load(project_root / "checkpoints" / "nuclei")
    pixels = make_example("fluorescence", 5, height=150, width=210, nuclei=24).pixels
    exact, rough = Segmenter(bundle, "cpu")(pixels), Segmenter(bundle, "cpu", "openvino-bf16")(pixels)
    assert exact.count == rough.count
    assert np.mean((exact.labels > 0) != (rough.labels > 0)) < 2e-3


def test_several_threads_at_a_time() -> None:
    run = make_runner(trained(NETWORKS["fine"]), "cpu", "openvino")
    pictures = [np.random.default_rng(seed).random((48, 16 + 8 * seed, 3), np.float32) for seed in range(4)]
    expected = [run(picture) for picture in pictures]
    faults: list[int] = []

    def work(index: int) -> None:
        for _ in range(20):
            if not np.array_equal(run(pictures[index]), expected[index]):
                faults.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(run._idle) <= 4  # type: ignore[attr-defined]


def test_threads_one_after_another_share_one_request() -> None:
    """A server's threads come and go; each of theirs would hold the memory of the largest picture it ever saw."""
    run = make_runner(trained(NETWORKS["residual"]), "cpu", "openvino")
    for _ in range(5):
        thread = threading.Thread(target=run, args=(np.zeros((16, 16, 3), np.float32),))
        thread.start()
        thread.join()
    assert len(run._idle) == 1  # type: ignore[attr-defined]


def test_answers_do_not_change_with_the_next_picture() -> None:
    run = make_runner(trained(NETWORKS["residual"]), "cpu", "openvino")
    first = run(np.full((16, 16, 3), 0.2, np.float32))
    kept = first.copy()
    run(np.full((16, 16, 3), 0.9, np.float32))
    np.testing.assert_array_equal(first, kept)


def test_auto_is_pytorch_where_openvino_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_openvino()
    assert choose_engine("auto", "cpu") == "openvino"
    assert choose_engine("auto", "meta") == "pytorch"
    monkeypatch.delitem(sys.modules, "segmentation.quiet_openvino", raising=False)
    monkeypatch.setitem(sys.modules, "openvino", None)  # importing it fails now
    assert choose_engine("auto", "cpu") == "pytorch"
    with pytest.raises(ParameterError, match="OpenVINO is not installed here; install it"):
        choose_engine("openvino", "cpu")
    assert Segmenter(bright_is_nucleus(), "cpu")(np.eye(8, dtype=np.uint8) * 255).engine == "pytorch"


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ParameterError, match="engine='tensorrt': choose one of auto, pytorch, openvino, openvino-bf16"):
        choose_engine("tensorrt", "cpu")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="engine='openvino' runs on processors, not on cuda:1"):
        choose_engine("openvino", "cuda:1")


SIGNALLED = """
import faulthandler, gc, os, signal, threading
faulthandler.enable()  # handlers get a stack of their own
told = []
signal.signal(signal.SIGUSR1, lambda *_: told.append(1))
import numpy as np
from segmentation.engine import make_runner
from segmentation.unet import UNet
box = [make_runner(UNet(channels=(2, 2), dropout=(0, 0)), "cpu", "openvino")]
box[0](np.zeros((8, 8, 3), np.float32))
other = threading.Thread(target=lambda: (box.clear(), gc.collect()))
other.start()
other.join()
os.kill(os.getpid(), signal.SIGUSR1)
assert told == [1]
"""


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="signals as Unix has them")
def test_a_signal_after_a_model_was_let_go_in_another_thread(project_root: Path) -> None:
    """OpenVINO unmaps the stack for signals that it gave the thread it was first used in, once it is let go."""
    done = subprocess.run([sys.executable, "-c", SIGNALLED], cwd=project_root, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
