"""The card (README.md) that travels with a bundle, written from the bundle's own config."""

from typing import Any

_FRONT = """---
license: apache-2.0
library_name: nucleoscope
pipeline_tag: image-segmentation
tags:
- nucleoscope
- microscopy
- nuclei
- u-net
---
"""

_NETWORKS = {"unet": "U-Net", "residual_unet": "Residual U-Net"}

_SCORES = """Validation pictures chose the checkpoint and the decode parameters, so their scores flatter; held-out ones,
where there are any, chose nothing. Kaggle: mean over pictures of TP / (TP + FP + FN), averaged over the IoU thresholds
0.50 to 0.95. ap: the same ratio at one threshold, nuclei of all pictures pooled. IoU and Dice: of the foreground."""

_USE = """## Use

```python
from segmentation import Segmenter

result = Segmenter.from_pretrained("FOLDER")("picture.tif")
print(result.count, result.labels.shape)
```

## Limits

For research, not for diagnosis. Accuracy on pictures unlike the training data (other stains, magnifications,
instruments) is unknown: look at the overlay before you trust a count.
"""


def render_card(config: dict[str, Any]) -> str:
    """Markdown for a bundle's ``config.json``; every number in it is read from there."""
    arguments = config["network"]["arguments"]
    lines = [_FRONT, "# Nucleoscope model bundle", ""]
    levels, maps = ", ".join(map(str, arguments["channels"])), ", ".join(config["network"]["maps"])
    lines.append(
        f"{_NETWORKS[config['network']['name']]} with levels of {levels} channels, {arguments['in_channels']} input "
        f"channels, predicting {maps}."
    )
    lines += ["", *_table("Training", config["training"]), *_table("Scores", config["scores"], _SCORES)]
    lines += _table("Decoding", config["decode"])
    lines += [f"Weights SHA-256: `{config['weights_sha256']}`", "", _USE]
    return "\n".join(lines)


def _table(title: str, values: dict[str, Any], note: str = "") -> list[str]:
    if not values:
        return [f"## {title}", "", "Not recorded.", ""]
    rows = [f"| {key} | {_cell(value)} |" for key, value in values.items()]
    return [f"## {title}", "", *([note, ""] if note else []), "| | |", "| --- | --- |", *rows, ""]


def _cell(value: Any) -> str:
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
