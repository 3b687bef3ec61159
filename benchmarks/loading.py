"""Whether making crops holds training back: images per second of ``fit`` against the bare training step.

Both in turns in one run, on the same cores: the bare step repeats one batch, so nothing is loaded or augmented.

Run: ``python -m benchmarks.loading [--config configs/nuclei.yaml] [--steps 30] [-- --data.source...]``; what follows
``--`` goes to ``python -m lightning_modules.train fit``.
"""

import argparse
import tempfile
import time
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from lightning_modules.train import main as train

WARM_UP = 5  # steps that are not timed: workers start, memory is taken


class Clock(Callback):
    """Times ``fit`` in stretches of ``steps``, and between them as many bare steps on the batch at hand."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.fit: list[float] = []
        self.bare: list[float] = []
        self._start = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Start and stop the clock."""
        done = batch_idx + 1 - WARM_UP
        if done < 0 or done % self.steps:
            return
        if done:
            self.fit.append((time.perf_counter() - self._start) / self.steps)
            self.bare.append(_bare_steps(trainer, pl_module, batch, self.steps))
        self._start = time.perf_counter()


def _bare_steps(trainer: Trainer, module: LightningModule, batch: Any, steps: int) -> float:
    time.sleep(2)  # the workers fill their queue and stop
    optimizer = trainer.optimizers[0]
    start = time.perf_counter()
    for index in range(steps):
        with trainer.precision_plugin.train_step_context():  # in as many bits as `fit` computes
            loss = module.training_step(batch, index)
        assert isinstance(loss, torch.Tensor)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / steps


def main() -> None:
    """Print both rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/nuclei.yaml")
    parser.add_argument("--steps", type=int, default=30, help="steps of each stretch")
    parser.add_argument("--stretches", type=int, default=3)
    parser.add_argument("rest", nargs="*", help="for `fit`")
    options = parser.parse_args()
    steps = WARM_UP + options.steps * options.stretches
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["fit", "--config", options.config, "--trainer.max_epochs", "1", *options.rest]
        arguments += ["--trainer.default_root_dir", folder, "--trainer.limit_train_batches", str(steps)]
        arguments += ["--data.crops_per_epoch", str(steps * 64), "--trainer.limit_val_batches", "0"]
        arguments += ["--early_stopping.strict", "false"]
        arguments += ["--export.tune", "false", "--trainer.enable_progress_bar", "false"]
        arguments += ["--trainer.callbacks+=benchmarks.loading.Clock", f"--trainer.callbacks.steps={options.steps}"]
        cli = train(arguments)
    found = vars(cli.trainer)["callbacks"]
    clock = next(callback for callback in found if type(callback).__name__ == Clock.__name__)  # not __main__'s class
    size = cli.datamodule.batch_size
    fit, bare = size / min(clock.fit), size / min(clock.bare)
    print(f"fit {fit:.1f} images/s, bare step {bare:.1f} images/s, ratio {fit / bare:.2f}")
    print(f"stretches: fit {[f'{size / t:.1f}' for t in clock.fit]}, bare {[f'{size / t:.1f}' for t in clock.bare]}")


if __name__ == "__main__":
    main()
