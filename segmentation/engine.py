"""What runs the network: OpenVINO on processors, PyTorch everywhere else and as the reference."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from segmentation.devices import given_threads
from segmentation.errors import ParameterError
from segmentation.stored_network import StoredNetwork

if TYPE_CHECKING:
    from segmentation.networks import Network

EngineName = Literal["auto", "pytorch", "openvino", "openvino-bf16"]
Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def choose_engine(name: EngineName, device: str) -> EngineName:
    """What "auto" means for this device, or the name itself.

    On processors OpenVINO took half to three quarters of PyTorch's time, and keeps its pace when others use the same
    cores (``benchmarks/engines.py``); its answers are PyTorch's within 1e-5. "openvino-bf16" computes with 16 bits
    where the processor can: faster, and other in a few pixels of ten thousand, so it is never chosen by itself.

    Raises:
        ParameterError: if there is no such engine, it is not installed, or it cannot run on this device.
    """
    if name not in get_args(EngineName):
        raise ParameterError(f"engine={name!r}: choose one of {', '.join(get_args(EngineName))}.")
    if name == "auto":
        return "openvino" if device == "cpu" and has_openvino() else "pytorch"
    if name.startswith("openvino"):
        if device != "cpu":
            raise ParameterError(
                f"engine={name!r} runs on processors, not on {device}; choose 'auto', or device 'cpu'."
            )
        if not has_openvino():
            raise ParameterError(
                f"engine={name!r}: OpenVINO is not installed here; install it (pip install -r requirements.txt), or "
                "choose 'auto'."
            )
    return name


def has_openvino() -> bool:
    """Whether OpenVINO can be used here."""
    try:
        import segmentation.quiet_openvino  # noqa: F401  # there are platforms without it
    except (ImportError, OSError):
        return False
    return True


def make_runner(network: "Network | StoredNetwork", device: str, engine: EngineName = "auto") -> Run:
    """The network as a function: prepared pixels ``(H, W, C)`` in [0, 1] -> maps ``(maps, H, W)`` in [0, 1], float32.

    It may be called from several threads at a time. OpenVINO keeps the weights as they are now; PyTorch takes them as
    they are when it is called.

    Raises:
        ParameterError: see :func:`choose_engine`.
    """
    chosen = choose_engine(engine, device)
    if chosen == "pytorch":
        built = network.build() if isinstance(network, StoredNetwork) else network
        # eval() matters: with dropout left on, the same picture would give other nuclei each time.
        return _Pytorch(built.eval(), device)
    stored = network if isinstance(network, StoredNetwork) else StoredNetwork.of(network)
    return _OpenVino(stored, "bf16" if chosen == "openvino-bf16" else "f32")


class _Pytorch:
    def __init__(self, network: "Network", device: str) -> None:
        from segmentation.networks import channels_last

        self._device = device
        self._network = channels_last(network.to(device))

    def __call__(self, prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        batch = torch.from_numpy(prepared.transpose(2, 0, 1).copy())[None]
        # Full precision also inside a trainer that runs in half: validation must judge what users will get.
        with torch.inference_mode(), torch.autocast(torch.device(self._device).type, enabled=False):
            batch = batch.to(self._device).to(memory_format=torch.channels_last)
            return self._network(batch)[0].float().cpu().numpy()


_lock = threading.Lock()
_core: Any = None


def _openvino_core() -> Any:
    """The one of this process, never let go.

    OpenVINO gives the thread that it starts in a stack for signals, and unmaps it when its last core goes, in whichever
    thread that happens: the next signal in the first one would then end the process.
    """
    global _core
    from segmentation.quiet_openvino import ov

    with _lock:
        if _core is None:
            _core = ov.Core()
            _core.get_property("CPU", "FULL_DEVICE_NAME")  # loads what runs on processors, which holds that stack
        return _core


class _OpenVino:
    def __init__(self, network: StoredNetwork, precision: str) -> None:
        from segmentation.openvino_graph import graph_of

        self._stride = network.stride
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,  # by itself it would take 16 bits where the processor can
        }
        if threads := given_threads():  # one setting for both engines
            settings["INFERENCE_NUM_THREADS"] = threads
        self._model = _openvino_core().compile_model(graph_of(network), "CPU", settings)
        # Each holds the memory of a picture's maps: as many as have ever run at a time, however many threads there are.
        self._idle: list[Any] = []

    def __call__(self, prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = prepared.shape[:2]
        bottom, right = -height % self._stride, -width % self._stride
        if bottom or right:  # as the networks do themselves in PyTorch
            prepared = np.pad(prepared, ((0, bottom), (0, right), (0, 0)), mode="edge")
        try:
            request = self._idle.pop()  # in one step, so that no two threads get the same
        except IndexError:
            request = self._model.create_infer_request()
        try:
            request.infer([np.ascontiguousarray(prepared, np.float32)[None]], share_inputs=True)
            return request.get_output_tensor(0).data[0, :, :height, :width].copy()
        finally:
            self._idle.append(request)
