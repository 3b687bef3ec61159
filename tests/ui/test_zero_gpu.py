"""ZeroGPU: the network alone runs where the GPU is, and the page finds the same nuclei; without it, nothing changes."""

import importlib
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

import ui.models
import ui.zero_gpu
from segmentation import Bundle, Preprocessing, Segmenter, UNet
from segmentation.errors import ImageShapeError, ParameterError
from segmentation.image_io import read_image
from ui.models import Models


class LentGpu:
    """What ``spaces.GPU`` does, without a GPU: arguments and result pass between two processes as pickles."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.seconds: list[float] = []

    def __call__(self, *, duration: Callable[..., float]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any) -> Any:
                self.calls.append(arguments)
                self.seconds.append(duration(*arguments))
                return pickle.loads(pickle.dumps(function(*pickle.loads(pickle.dumps(arguments)))))

            return call

        return decorate


@pytest.fixture
def reloaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[ModuleType | None, bool], ModuleType]]:
    """``ui.zero_gpu`` as it is imported with that package, in a Space on ZeroGPU or not."""

    def reload(package: ModuleType | None, zero: bool) -> ModuleType:
        monkeypatch.setitem(sys.modules, "spaces", package)  # type: ignore[arg-type]  # None: cannot be imported
        monkeypatch.setenv("SPACES_ZERO_GPU", "true" if zero else "")
        monkeypatch.setattr(torch.version, "cuda", "12.8")
        module = importlib.reload(ui.zero_gpu)
        monkeypatch.setattr(ui.models, "load_segmenter", module.load_segmenter)
        return module

    yield reload
    monkeypatch.undo()
    importlib.reload(ui.zero_gpu)


@pytest.fixture
def gpu() -> LentGpu:
    return LentGpu()


@pytest.fixture
def package(gpu: LentGpu) -> ModuleType:
    module = ModuleType("spaces")
    module.GPU = gpu  # type: ignore[attr-defined]
    return module


def test_on_zero_gpu_the_network_alone_is_sent(
    reloaded: Callable, gpu: LentGpu, package: ModuleType, bundle_folder: Path, six_squares: np.ndarray
) -> None:
    module = reloaded(package, True)
    segmenter = Models([bundle_folder]).segmenter()
    assert isinstance(segmenter._inner, module.LentGpuSegmenter)
    assert segmenter.device == "cpu"  # the server has no GPU of its own, whatever it is told
    told: list[float] = []
    here = Segmenter.from_pretrained(bundle_folder, "cpu", engine="pytorch")
    for accurate in (False, True):
        lent = segmenter(six_squares, accurate=accurate, magnification=2, progress=told.append)
        own = here(six_squares, accurate=accurate, magnification=2)
        assert (lent.count, lent.engine) == (6, "pytorch")  # OpenVINO runs on processors
        np.testing.assert_array_equal(lent.labels, own.labels)
        np.testing.assert_array_equal(lent.maps, own.maps)
    assert [call[2:] for call in gpu.calls] == [(False, 2), (True, 2)]
    assert told == [1.0, 1.0]


def test_a_model_that_was_chosen_later_is_known_there_too(
    reloaded: Callable, gpu: LentGpu, package: ModuleType, bundle_folder: Path, six_squares: np.ndarray, tmp_path: Path
) -> None:
    reloaded(package, True)
    other = UNet(channels=(2, 2), dropout=(0.0, 0.0))
    folder = Bundle(other.eval()).save(tmp_path / "other")
    models = Models([bundle_folder, folder])
    for name, source in (("other", folder), ("bright", bundle_folder)):
        maps = models.segmenter(name).predict_maps(read_image(six_squares))
        own = Segmenter.from_pretrained(source, "cpu", engine="pytorch").predict_maps(read_image(six_squares))
        np.testing.assert_array_equal(maps, own)
    assert [call[0] for call in gpu.calls] == [str(folder), str(bundle_folder)]


def test_errors_keep_their_words(
    reloaded: Callable, gpu: LentGpu, package: ModuleType, bundle_folder: Path, tmp_path: Path
) -> None:
    reloaded(package, True)
    five = UNet(in_channels=5, channels=(2, 2), dropout=(0.0, 0.0))
    folder = Bundle(five.eval(), Preprocessing(channels=5)).save(tmp_path / "five")
    picture = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ImageShapeError) as here:
        Segmenter.from_pretrained(folder, "cpu")(picture)
    with pytest.raises(ImageShapeError) as lent:
        Models([folder]).segmenter()(picture)
    assert str(lent.value) == str(here.value)
    calls = len(gpu.calls)
    with pytest.raises(ParameterError, match="magnification=9"):
        Models([bundle_folder]).segmenter()(picture, magnification=9)
    assert len(gpu.calls) == calls  # said before a GPU is asked for


def test_seconds_grow_with_the_work_and_end(
    reloaded: Callable, gpu: LentGpu, package: ModuleType, bundle_folder: Path
) -> None:
    module = reloaded(package, True)
    small, large = (read_image(np.zeros((side, side), np.uint8)) for side in (64, 4096))

    def seconds(*arguments: Any) -> float:
        return module.seconds_for(str(bundle_folder), *arguments)

    assert seconds(small, False, 1.0) == 15
    assert 15 < seconds(large, False, 1.0) < seconds(large, False, 1.5) < seconds(large, True, 1.0)
    assert seconds(large, True, 8.0) == 120
    Models([bundle_folder]).segmenter()(np.zeros((64, 64), np.uint8), magnification=1)
    assert gpu.seconds == [15]


def test_pytorch_without_cuda_is_told_in_words(
    reloaded: Callable, package: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    reloaded(package, True)
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(ParameterError, match=r"its PyTorch was installed for processors: run .* deploy"):
        importlib.reload(ui.zero_gpu)


@pytest.mark.parametrize("zero", [False, True])
def test_elsewhere_nothing_is_different(
    zero: bool, reloaded: Callable, gpu: LentGpu, package: ModuleType, bundle_folder: Path, six_squares: np.ndarray
) -> None:
    module = reloaded(None if zero else package, zero)  # without the package, or in a Space with other hardware
    assert not module.is_zero_gpu()
    segmenter = Models([bundle_folder], "cpu").segmenter()
    assert type(segmenter._inner) is Segmenter
    assert segmenter(six_squares).count == 6
    assert gpu.calls == []
    if zero:
        assert module.predict_on_lent_gpu.__module__ == "ui.zero_gpu"
        assert not hasattr(module.predict_on_lent_gpu, "__wrapped__")
