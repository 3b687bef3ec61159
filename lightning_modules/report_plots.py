"""Pictures of a test report: average precision over IoU thresholds, and truth beside prediction."""

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from lightning_modules.report_tables import Summary
from segmentation.image_io import MicroscopyImage
from segmentation.overlay import draw_overlay, to_display
from segmentation.scores import THRESHOLDS

# AP on the fluorescence pictures of the 2018 data, in the split of StarDist's authors. Mask R-CNN and StarDist: Schmidt
# et al., MICCAI 2018. PatchPerPix: Mais, Hirsch et al., ECCV 2020. EmbedSeg: Lalit et al., Medical Image Analysis 2022.
PUBLISHED_AT = (0.5, 0.6, 0.7, 0.8, 0.9)
PUBLISHED = {
    "Mask R-CNN": (0.832, 0.773, 0.684, 0.489, 0.189),
    "StarDist": (0.864, 0.804, 0.685, 0.450, 0.119),
    "PatchPerPix": (0.868, 0.827, 0.755, 0.635, 0.379),
}
EMBEDSEG_AP50 = 0.887

_LIGHT = {
    "paper": "#ffffff",
    "ink": "#1f2933",
    "faint": "#68747f",
    "grid": "#e5e8eb",
    "ours": "#0f766e",
    "all": "#38857d",
}
_DARK = {
    "paper": "#1a1f25",
    "ink": "#e6e9ec",
    "faint": "#98a3ad",
    "grid": "#2d353d",
    "ours": "#2dd4bf",
    "all": "#7fb5ae",
}
_MARKERS = "sD^"
_PANEL, _GAP = 640, 12  # pixels: sides that panels come near to, and the space between them
_PER_OUTLINE = 320  # a panel this wide has outlines of 1 pixel: about the size at which the page shows it


def plot_ap(folder: Path, summaries: list[Summary], *, published: bool) -> None:
    """Write ap_curve.png, and ap_curve_dark.png for readers whose screen is dark.

    Args:
        folder: where to.
        summaries: of all pictures and of each kind.
        published: draw the curves of others too, where there are fluorescence pictures to compare with them.
    """
    for name, colours in (("ap_curve.png", _LIGHT), ("ap_curve_dark.png", _DARK)):
        _ap_figure(summaries, published, colours).savefig(folder / name, facecolor=colours["paper"])


def _ap_figure(summaries: list[Summary], published: bool, colours: dict[str, str]) -> Figure:
    figure = Figure(figsize=(8.4, 4.8), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    of_kind = {summary.kind: summary.ap for summary in summaries}
    ends: dict[str, tuple[float, float, str, str]] = {}  # where each curve ends, its colour, its weight
    if published and "fluorescence" in of_kind:
        for marker, (name, values) in zip(_MARKERS, PUBLISHED.items(), strict=True):
            line = axes.plot(PUBLISHED_AT, values, color=colours["faint"], linewidth=1, linestyle=(0, (4, 3)))[0]
            line.set(marker=marker, markersize=4.5)
            ends[name] = PUBLISHED_AT[-1], values[-1], colours["faint"], "normal"
        axes.plot([0.5], [EMBEDSEG_AP50], marker="o", markersize=4.5, color=colours["faint"])
        note = "Dashed: published for the 2018 data's fluorescence, but in another split, hence for other pictures."
        figure.supxlabel(note, x=0.01, ha="left", color=colours["faint"], fontsize=8)
        axes.text(0.507, EMBEDSEG_AP50 + 0.018, "EmbedSeg", color=colours["faint"], fontsize=9)
    if len(of_kind) != 2 or "fluorescence" not in of_kind:  # else the two lines are one
        axes.plot(THRESHOLDS, of_kind["all"], color=colours["all"], linewidth=1.8)
        ends["This run, all pictures"] = THRESHOLDS[-1], of_kind["all"][-1], colours["all"], "normal"
    if "fluorescence" in of_kind:
        axes.plot(THRESHOLDS, of_kind["fluorescence"], color=colours["ours"], linewidth=2.6)
        ends["This run, fluorescence"] = THRESHOLDS[-1], of_kind["fluorescence"][-1], colours["ours"], "bold"
    heights = _spread([y for _, y, _, _ in ends.values()], 0.052)
    for (name, (x, y, colour, weight)), height in zip(ends.items(), heights, strict=True):
        axes.plot([x + 0.004, 0.968], [y, height], color=colour, linewidth=0.6, alpha=0.7)
        axes.text(0.971, height, name, color=colour, weight=weight, va="center", fontsize=9)
    axes.set(xlim=(0.49, 1.10), ylim=(-0.02, 1.02), xticks=np.arange(0.5, 1, 0.1), yticks=np.arange(0, 1.01, 0.2))
    axes.set_xlabel("IoU that a nucleus must reach to count as found", color=colours["ink"], x=0.39)
    axes.set_title("Average precision", loc="left", color=colours["ink"], fontsize=11, weight="bold", pad=10)
    axes.set_facecolor(colours["paper"])
    axes.tick_params(colors=colours["ink"], length=0, labelsize=9)
    axes.hlines(axes.get_yticks(), 0.49, 0.955, color=colours["grid"], linewidth=0.8, zorder=0)
    axes.spines[:].set_visible(False)
    return figure


def _spread(heights: list[float], gap: float) -> list[float]:
    """Move labels apart, the lowest first, so that neighbours stand at least ``gap`` from each other."""
    order = np.argsort(heights)
    placed = np.array(heights, float)
    for lower, upper in pairwise(order):
        placed[upper] = max(placed[upper], placed[lower] + gap)
    return placed.tolist()


def comparison(image: MicroscopyImage, preds: NDArray, target: NDArray) -> bytes:
    """PNG of the picture, the true outlines and the predicted ones, side by side.

    Small pictures are enlarged by a whole factor, so that an outline hides little of a small nucleus; large ones
    thinned out, so that a slide stays a picture for a page.

    Args:
        image: the picture.
        preds: ``(H, W)`` integers, 0 the background.
        target: the same of the true nuclei.
    """
    longest = max(target.shape)
    times, step = max(1, _PANEL // longest), -(-longest // (2 * _PANEL))
    display = to_display(image)[::step, ::step]
    shown = [a[::step, ::step].repeat(times, 0).repeat(times, 1) for a in (target, preds)]
    display = display.repeat(times, 0).repeat(times, 1)
    gap = np.full((len(display), _GAP, 3), 128, np.uint8)
    width = max(1, round(max(display.shape) / _PER_OUTLINE))
    truth, answer = (draw_overlay(display, labels, width=width) for labels in shown)
    strip = np.hstack([display, gap, truth, gap, answer])
    opaque = np.full((*strip.shape[:2], 1), 255, np.uint8)
    for left in (display.shape[1], 2 * display.shape[1] + _GAP):
        opaque[:, left : left + _GAP] = 0  # the page shows through, be it light or dark
    file = io.BytesIO()
    Image.fromarray(np.concatenate([strip, opaque], axis=2)).save(file, format="PNG")
    return file.getvalue()
