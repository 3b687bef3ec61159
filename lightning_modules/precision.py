"""With how many bits a training computes where nobody says: as few as the device is fast with."""

import torch


def half_precision_pays(accelerator: str) -> bool:
    """Whether training is faster with bfloat16: on a CUDA GPU, or a processor with units for its products (AMX).

    With AMX a step takes two thirds of the time (``python -m benchmarks.loading``); on processors without, many times
    longer than in float32.

    Args:
        accelerator: as Lightning names it: "auto", "cpu", "gpu", "cuda", "mps", ...
    """
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return True
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and not torch.backends.mps.is_available())
    return on_cpu and bool(torch.cpu.get_capabilities().get("amx_bf16", False))
