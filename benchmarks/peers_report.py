"""What ``benchmarks.peers`` measured, as a table and as a plot."""

from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.peers_environments import OWN, PEERS, YARDSTICK

MIB = 2**20


@dataclass
class Row:
    """One tool at one size of picture.

    Attributes:
        seconds: of each repeat, from pixels in memory to labels.
        network: of each repeat; empty where there is none.
        peak: largest resident memory of its process so far, in bytes; None where it cannot be known.
        whole: whether labels came out, or only the network ran.
        reason: why there is nothing to tell, "" when there is.
    """

    seconds: list[float] = field(default_factory=list)
    network: list[float] = field(default_factory=list)
    peak: int | None = None
    whole: bool = True
    reason: str = ""


Rows = dict[tuple[str, int], Row]


def times(rows: Rows, sides: list[int], peers: list[str]) -> str:
    """Markdown: one row a tool and side, with times also as multiples of ours and of the matrix product.

    The yardstick's row has no megapixels; tools whose network alone ran have no time from array to labels.
    """
    heads = ("side", "tool", "array to labels, s", "range, s", "network, s", "megapixels/s", "x ours", "x product")
    lines = [_line((*heads, "peak memory, MiB")), "| --- " * (len(heads) + 1) + "|"]
    for side in sides:
        own, product = _median(rows.get((OWN, side))), _median(rows.get((YARDSTICK, side)))
        for peer in peers:
            row = rows.get((peer, side), Row(reason="not measured"))
            if row.reason:
                lines.append(_line((str(side), PEERS[peer].title, row.reason, *[""] * 6)))
                continue
            middle = median(row.seconds)
            spread = f"{min(row.seconds):.3g} to {max(row.seconds):.3g}" if len(row.seconds) > 1 else "once"
            yardstick = peer == YARDSTICK
            cells = (
                str(side),
                PEERS[peer].title,
                f"{middle:.3g}" if row.whole or yardstick else "",
                spread,
                f"{median(row.network):.3g}" if row.network else "",
                f"{side**2 / 1e6 / middle:.3g}" if row.whole and not yardstick else "",
                f"{middle / own:.2f}" if own and row.whole and not yardstick else "",
                f"{middle / product:.2f}" if product else "",
                f"{row.peak / MIB:,.0f}" if row.peak is not None and not yardstick else "",
            )
            lines.append(_line(cells))
    return "\n".join(lines)


def tools(told: dict[str, dict[str, Any]], peers: list[str]) -> str:
    """Markdown: one row a tool: version, size, start, accuracy; then what each row's numbers mean."""
    heads = (
        "tool",
        "version",
        "parameters",
        "weights, MiB",
        "installed, MiB",
        "start, s",
        "AP at IoU 0.5",
        "AP at 0.75",
        "learned from",
    )
    lines = [_line(heads), "| --- " * len(heads) + "|"]
    for peer in peers:
        if peer == YARDSTICK:
            continue
        known = told.get(peer, {})
        if "version" not in known:
            lines.append(_line((PEERS[peer].title, known.get("reason") or "not measured", *[""] * (len(heads) - 2))))
            continue
        cells = (
            PEERS[peer].title,
            str(known["version"]),
            f"{known['parameters']:,}" if known["parameters"] else "",
            f"{known['weights_bytes'] / MIB:.1f}" if known["weights_bytes"] else "",
            f"{known['installed'] / MIB:,.0f}" if "installed" in known else "",
            f"{known['start']:.1f}",
            f"{known['ap50']:.3f}" if "ap50" in known else known.get("unjudged", ""),
            f"{known['ap75']:.3f}" if "ap75" in known else "",
            str(known.get("trained", "")),
        )
        lines.append(_line(cells))
    notes = [f"- {PEERS[peer].title}: {PEERS[peer].note}" for peer in peers if PEERS[peer].note]
    return "\n".join([*lines, "", *notes])


def draw(rows: Rows, sides: list[int], peers: list[str], path: Path) -> None:
    """Write a plot: seconds and peak memory over the size of the picture, a line a tool; dotted, its network alone."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from segmentation.atomic import replacing

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for peer in peers:
        done = [(side, rows[peer, side]) for side in sides if (peer, side) in rows and not rows[peer, side].reason]
        if peer == YARDSTICK or not done:
            continue
        pixels = [side**2 / 1e6 for side, _ in done]
        whole = done[0][1].whole
        look: dict[str, Any] = {
            "marker": "o",
            "label": PEERS[peer].title.strip("*"),
            "linestyle": "-" if whole else ":",
        }
        look |= {"linewidth": 3 if peer == OWN else 1.5}
        left.plot(pixels, [median(row.seconds) for _, row in done], **look)
        if all(row.peak is not None for _, row in done):
            right.plot(pixels, [(row.peak or 0) / MIB for _, row in done], **look)
    for axes, what in ((left, "seconds from array to labels"), (right, "peak memory, MiB")):
        axes.set(xscale="log", xlabel="pixels", ylabel=what)
        axes.set_xticks([side**2 / 1e6 for side in sides], [f"{side}²" for side in sides])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    left.set_yscale("log")
    right.set_ylim(bottom=0)
    handles, titles = left.get_legend_handles_labels()
    figure.legend(handles, titles, loc="outside lower center", ncols=4, fontsize=8)
    try:
        with replacing(path) as scratch:
            figure.savefig(scratch, format="png", dpi=120)
    finally:
        pyplot.close(figure)


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _median(row: Row | None) -> float:
    return median(row.seconds) if row is not None and row.seconds else 0.0
