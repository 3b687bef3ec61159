"""The card that a published model shows on the Hub: metadata that its search reads, a picture, scores, use, limits."""

import io
import math
import re
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from huggingface_hub import EvalResult, ModelCardData
from PIL import Image

from segmentation.bundle import Bundle
from segmentation.errors import NucleoscopeError
from segmentation.examples import Appearance, make_example
from segmentation.image_io import read_image
from segmentation.model_card import LIBRARY, TAGS, TASK, render_body
from segmentation.overlay import draw_overlay, to_display
from segmentation.segmenter import Segmenter

EXAMPLE, ONNX, PACKAGE = "example.png", "model.onnx", "bioimageio.zip"
_CAPTION = (
    f"![Generated pictures above, what the model finds in them below]({EXAMPLE})\n\n"
    "Generated pictures of fluorescence, bright field and stained tissue, as they are and with what this model finds: "
    "for a first look, not a measure."
)
_TOOLS = {
    ONNX: f"""`{ONNX}` takes raw pixels, grey or RGB, of any size and range, and gives the maps: preparation and
magnification are in it. A picture of (height, width) in `pixels`:

```python
import numpy, onnxruntime

model = onnxruntime.InferenceSession("{ONNX}")
maps = model.run(None, {{"image": pixels.astype(numpy.float32)[None, None]}})[0][0]  # RGB: transpose(2, 0, 1)[None]
foreground = maps[FOREGROUND] >= THRESHOLD
```
""",
    PACKAGE: f"""`{PACKAGE}` is a BioImage.IO package for deepImageJ (Fiji), ilastik and QuPath. They give the
maps; what cuts touching nuclei apart is in Nucleoscope alone.
""",
}
# What the names in a bundle's scores are to the Hub: type, and name for people.
_METRICS = {
    "kaggle": ("mean_average_precision", "Kaggle score, IoU 0.50 to 0.95"),
    "ap50": ("average_precision", "AP at IoU 0.50"),
    "ap75": ("average_precision", "AP at IoU 0.75"),
    "ap90": ("average_precision", "AP at IoU 0.90"),
    "iou": ("iou", "IoU of the foreground"),
    "dice": ("dice", "Dice of the foreground"),
}
_SPLITS = {"validation": "validation", "held-out": "test"}
_SCORE = re.compile(r"(?P<split>validation|held-out) (?P<metric>\w+)(?:, (?P<kind>.+))?")
_ACCESSION = re.compile(r"\bBBBC\d{3}\b")  # of the Broad Bioimage Benchmark Collection


def hub_card(config: dict[str, Any], repo_id: str, *, license: str, picture: bool, exports: Sequence[str] = ()) -> str:
    """README.md for the Hub; every number in it is read from the bundle's ``config.json``.

    Args:
        config: of the bundle.
        repo_id: ``OWNER/NAME`` to be.
        license: of the weights, as the Hub abbreviates it, for example ``apache-2.0``.
        picture: whether ``example.png`` is there to show.
        exports: which of ``model.onnx`` and ``bioimageio.zip`` are there to use.
    """
    data = str(config["training"].get("data", ""))
    accessions = _ACCESSION.findall(data)
    results = _results(config["scores"], data, accessions)
    metadata = ModelCardData(
        license=license,
        library_name=LIBRARY,
        pipeline_tag=TASK,
        tags=list(TAGS),
        datasets=list(dict.fromkeys(accessions)) or None,
        metrics=list(dict.fromkeys(result.metric_type for result in results)) or None,
        model_name=repo_id.rpartition("/")[2] if results else None,
        eval_results=results or None,
    )
    body = render_body(config, model=repo_id, picture=_CAPTION if picture else "")
    if exports:
        tools = "\n".join(_TOOLS[name] for name in exports)
        tools = tools.replace("FOREGROUND", str(config["network"]["maps"].index("foreground")))
        body += f"\n## In other programs\n\n{tools.replace('THRESHOLD', str(config['decode']['threshold']))}"
    return f"---\n{metadata.to_yaml()}\n---\n\n{body}"


def example_picture(bundle: Bundle) -> bytes | None:
    """PNG of generated pictures of three kinds with what the model finds; None for one that cannot take such pictures.

    The network runs on the CPU and is left there, so that the same bundle always gives the same picture.
    """
    try:
        segmenter = Segmenter(bundle, "cpu", engine="pytorch")
        columns = []
        for seed, appearance in enumerate(get_args(Appearance)):
            image = read_image(make_example(appearance, seed, height=192, width=192, nuclei=14).pixels)
            display = to_display(image)
            columns.append(np.vstack([display, draw_overlay(display, segmenter(image).labels)]))
    except NucleoscopeError:  # five channels, say: the pictures are grey or RGB
        return None
    file = io.BytesIO()
    Image.fromarray(np.hstack(columns)).save(file, format="PNG", optimize=True)
    return file.getvalue()


def _results(scores: dict[str, Any], data: str, accessions: list[str]) -> list[EvalResult]:
    """The scores that the Hub has words for, grouped by it into tables of one data set, split and kind each."""
    slug = accessions[0] if accessions else re.sub(r"[^a-z0-9]+", "-", data.lower()).strip("-")[:60] or "unknown"
    results = []
    for key, value in scores.items():
        found = _SCORE.fullmatch(key)
        if found is None or found["metric"] not in _METRICS or not _is_number(value):
            continue
        metric_type, metric_name = _METRICS[found["metric"]]
        results.append(
            EvalResult(
                task_type=TASK,
                dataset_type=slug,
                dataset_name=data or "not recorded",
                dataset_config=found["kind"],
                dataset_split=_SPLITS[found["split"]],
                metric_type=metric_type,
                metric_name=metric_name,
                metric_value=float(value),
            )
        )
    return results


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
