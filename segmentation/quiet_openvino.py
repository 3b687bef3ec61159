"""OpenVINO, kept from telling Google Analytics of every import, which it does unasked.

Without network, every process would wait for that at its end, half a minute long. Where the package that sends is not
to be had, OpenVINO takes a stub of its own. Nothing here imports ``openvino`` otherwise.
"""

import sys

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None says that it cannot be imported
sys.modules.setdefault("openvino_telemetry.backend", None)  # type: ignore[arg-type]

import openvino as ov  # noqa: E402
from openvino import opset13 as ops  # noqa: E402

__all__ = ["ops", "ov"]
