"""The card (README.md) that travels with a bundle, written from the bundle's own config."""

from typing import Any

LICENSE, LIBRARY, TASK = "apache-2.0", "nucleoscope", "image-segmentation"
TAGS = ("nucleoscope", "microscopy", "nuclei", "u-net")  # the first is the one that models are found by

_FRONT = f"""---
license: {LICENSE}
library_name: {LIBRARY}
pipeline_tag: {TASK}
tags:
{chr(10).join(f"- {tag}" for tag in TAGS)}
---
"""

_NETWORKS = {"unet": "U-Net", "residual_unet": "Residual U-Net"}

_SCORES = """Validation pictures chose the checkpoint and the decode parameters, so their scores flatter; held-out ones,
where there are any, chose nothing. Kaggle: mean over pictures of TP / (TP + FP + FN), averaged over the IoU thresholds
0.50 to 0.95. ap: the same ratio at one threshold, nuclei of all pictures pooled. IoU and Dice: of the foreground."""

_USE = """## Use

```python
from segmentation import Segmenter

result = Segmenter.from_pretrained("MODEL")("picture.tif")
print(result.count, result.labels.shape)
```

## Limits

For research, not for diagnosis. Accuracy on pictures unlike the training data (other stains, magnifications,
instruments) is unknown: look at the overlay before you trust a count.
"""


def render_card(config: dict[str, Any]) -> str:
    """Markdown for a bundle's ``config.json``; every number in it is read from there."""
    return _FRONT + "\n" + render_body(config)


def render_body(config: dict[str, Any], *, model: str = "FOLDER", picture: str = "") -> str:
    """The card without its metadata.

    Args:
        config: of the bundle.
        model: what ``from_pretrained`` is to be given.
        picture: Markdown that shows what the model finds.
    """
    arguments = config["network"]["arguments"]
    lines = ["# Nucleoscope model bundle", ""]
    levels, maps = ", ".join(map(str, arguments["channels"])), ", ".join(config["network"]["maps"])
    lines.append(
        f"{_NETWORKS[config['network']['name']]} with levels of {levels} channels, {arguments['in_channels']} input "
        f"channels, predicting {maps}."
    )
    lines += ["", picture] if picture else []
    lines += ["", *_table("Training", config["training"]), *_table("Scores", config["scores"], _SCORES)]
    lines += _table("Decoding", config["decode"])
    lines += [f"Weights SHA-256: `{config['weights_sha256']}`", "", _USE.replace("MODEL", model)]
    return "\n".join(lines)


def _table(title: str, values: dict[str, Any], note: str = "") -> list[str]:
    if not values:
        return [f"## {title}", "", "Not recorded.", ""]
    rows = [f"| {key} | {_cell(value)} |" for key, value in values.items()]
    return [f"## {title}", "", *([note, ""] if note else []), "| | |", "| --- | --- |", *rows, ""]


def _cell(value: Any) -> str:
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
