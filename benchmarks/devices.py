"""Processors against GPUs on this machine: training and inference, images a second and what 1,000 images cost.

Run: ``python -m benchmarks.devices [--price cpu=0.1 --price cuda=2.5] [--batch 8] [--side 256] [--repeats 5]``.
It draws the chart of the talk ("CPU vs GPU in practice") for the talk's ``UNet()`` and for the network that ships: on
one thread of the processor, on all of them, and on every GPU that PyTorch finds. Prices are your own, in dollars an
hour.

A training step is what ``fit`` does with a batch that is ready: to the device, forward, loss, backward, AdamW; with
16-bit numbers on CUDA GPUs and processors with AMX, as ``fit`` does there. Inference is from prepared pixels to maps,
both in the computer's memory, as ``Segmenter`` has it; on processors also with OpenVINO, which runs one picture at a
time.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.devices_report import WORKS, Device, Row, draw, parse_price, table
from lightning_modules.losses import segmentation_loss
from lightning_modules.precision import half_precision_pays
from segmentation.bundle import Bundle
from segmentation.command_options import DEFAULT_MODEL
from segmentation.engine import has_openvino, make_runner
from segmentation.instance_maps import FOREGROUND, MapName
from segmentation.networks import Network, channels_last
from segmentation.unet import UNet

LEAST = 0.5  # seconds that a measurement takes at least, by doing the same as often as that needs
MOST_ROUNDS = 500


def main() -> None:
    """Print the table and write the chart."""
    options = _arguments()
    devices = find_devices(torch.get_num_threads())
    maps = Bundle.load(DEFAULT_MODEL).maps
    networks: dict[str, tuple[Callable[[], Network], tuple[MapName, ...]]] = {
        "the talk's UNet": (UNet, FOREGROUND),
        "the shipped ResidualUNet": (lambda: Bundle.load(DEFAULT_MODEL).network, maps),
    }
    rows = []
    for title, (build, names) in networks.items():
        for work in WORKS:
            rows += measure(title, build, names, work, devices, options.batch, options.side, options.repeats)
    print(f"Batches of {options.batch} pictures of {options.side} x {options.side}, PyTorch {torch.__version__}.\n")
    print(table(rows, dict(options.price)))
    if not any(device.kind != "cpu" for device in devices):
        print("\nNo GPU was found here: the chart shows the processor alone.")
    draw(rows, options.plot)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--side", type=int, default=256, help="height and width of the pictures in pixels")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--price",
        type=parse_price,
        action="append",
        default=[],
        help="KIND=DOLLARS an hour: cpu=0.1, cuda=2.5, mps=0.3",
    )
    parser.add_argument("--plot", type=Path, default=Path(__file__).resolve().parents[1] / "docs" / "devices.png")
    options = parser.parse_args()
    if min(options.batch, options.repeats) < 1 or options.side < 64:
        parser.error("--batch and --repeats are at least 1, and --side is at least 64 pixels.")
    return options


def find_devices(threads: int) -> list[Device]:
    """One thread, all ``threads`` and OpenVINO of the processor, then every GPU."""
    counts = sorted({1, threads})
    found = [Device(f"CPU, {_counted(count)}", "cpu", "cpu", count) for count in counts]
    if has_openvino():
        found += [Device(f"CPU, {_counted(n)}, OpenVINO", "cpu", "cpu", n, openvino=True) for n in counts]
    for index in range(torch.cuda.device_count()):
        found.append(Device(torch.cuda.get_device_name(index), "cuda", f"cuda:{index}"))
    if torch.backends.mps.is_available():
        found.append(Device("Apple GPU", "mps", "mps"))
    return found


def measure(
    title: str,
    build: Callable[[], Network],
    names: tuple[MapName, ...],
    work: str,
    devices: list[Device],
    batch: int,
    side: int,
    repeats: int,
) -> list[Row]:
    """Images a second of one network and work on all ``devices``, which take turns; one row each."""
    rows, steps, rounds = [], {}, {}
    for device in devices:
        if device.openvino and work != "inference":
            continue
        row = Row(title, work, device)
        rows.append(row)
        try:
            step = prepare_work(build(), names, work, device, batch, side)
            _seconds(device, step, 2)  # compiles, allocates, chooses algorithms
            rounds[device] = min(MOST_ROUNDS, math.ceil(LEAST / _seconds(device, step, 1)))
            steps[device] = step
        except (RuntimeError, AssertionError) as error:  # out of memory, or what this device cannot do
            row.reason = str(error).splitlines()[0][:120]
    for repeat in range(repeats):
        for row in rows:
            if row.device in steps:
                seconds = _seconds(row.device, steps[row.device], rounds[row.device])
                row.rates.append(batch * rounds[row.device] / seconds)
                done = f"{title}, {work}, {row.device.title}: {row.rates[-1]:,.1f} images a second"
                print(f"{done} ({repeat + 1} of {repeats})", file=sys.stderr, flush=True)
    return rows


def prepare_work(
    network: Network, names: tuple[MapName, ...], work: str, device: Device, batch: int, side: int
) -> Callable[[], object]:
    """One round of ``work`` as a function; each takes ``batch`` pictures ``(side, side, 3)``."""
    where = torch.device(device.name)
    random = np.random.default_rng(0)
    pictures = random.random((batch, side, side, 3), np.float32)
    if device.openvino:
        _set_threads(device)  # OpenVINO takes the number as it is now
        run = make_runner(network, device.name, "openvino")
        return lambda: [run(picture) for picture in pictures]
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2)  # channels last in memory, as the networks want them
    network = channels_last(network.to(where))
    if work == "inference":
        network.eval()

        def infer() -> Any:
            with torch.inference_mode():
                return network(images.to(where)).cpu()

        return infer
    targets = torch.from_numpy(random.integers(0, 2, (batch, len(names), side, side)).astype(np.float32))
    optimizer = torch.optim.AdamW(network.train().parameters(), 1e-4)
    enabled = half_precision_pays(device.kind)  # as `fit` does

    def train() -> None:
        with torch.autocast(where.type, torch.bfloat16, enabled=enabled):
            loss = segmentation_loss(network.logits(images.to(where)), targets.to(where), names)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return train


def _seconds(device: Device, step: Callable[[], object], rounds: int) -> float:
    _set_threads(device)
    start = time.perf_counter()
    for _ in range(rounds):
        step()
    if device.kind == "cuda":
        torch.cuda.synchronize(device.name)
    elif device.kind == "mps":
        torch.mps.synchronize()
    return time.perf_counter() - start


def _set_threads(device: Device) -> None:
    if device.threads is not None:
        torch.set_num_threads(device.threads)


def _counted(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


if __name__ == "__main__":
    main()
