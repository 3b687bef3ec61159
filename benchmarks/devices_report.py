"""What ``benchmarks.devices`` measured, as a table and as a chart."""

import argparse
import math
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from segmentation.atomic import replacing

WORKS = ("training step", "inference")


@dataclass(frozen=True)
class Device:
    """What a network runs on.

    Attributes:
        title: its name in the table.
        kind: "cpu", "cuda" or "mps": what a price is given for.
        name: as torch knows it.
        threads: of PyTorch on the processor; None on a GPU.
        openvino: whether OpenVINO runs the network instead, which cannot train it.
    """

    title: str
    kind: str
    name: str
    threads: int | None = None
    openvino: bool = False


@dataclass
class Row:
    """One network doing one work on one device.

    Attributes:
        network: its title.
        work: one of ``WORKS``.
        device: where.
        rates: images a second of each repeat.
        reason: why there are none, or "".
    """

    network: str
    work: str
    device: Device
    rates: list[float] = field(default_factory=list)
    reason: str = ""

    @property
    def rate(self) -> float:
        """Median of the images a second."""
        return median(self.rates)


def parse_price(text: str) -> tuple[str, float]:
    """``"cuda=2.5"`` -> ``("cuda", 2.5)``, dollars an hour.

    Raises:
        argparse.ArgumentTypeError: if it is not a known kind of device and a number of at least 0.
    """
    kind, _, number = text.partition("=")
    try:
        price = float(number)
    except ValueError:
        price = math.nan
    if kind not in ("cpu", "cuda", "mps") or not 0 <= price < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: give cpu, cuda or mps, and dollars an hour: cuda=2.5.")
    return kind, price


def table(rows: list[Row], prices: dict[str, float]) -> str:
    """Markdown: images a second, as a multiple of the processor's best with PyTorch, and the cost of 1,000 images.

    Args:
        rows: what was measured.
        prices: dollars an hour, by kind of device; kinds without one have an empty cell.
    """
    heads = ["network", "work", "device", "images/s", "range", "x CPU", "s for 1,000 images"]
    heads += ["dollars for 1,000 images"] if prices else []
    lines = ["| " + " | ".join(heads) + " |", "| --- " * len(heads) + "|"]
    for row in rows:
        cells = [row.network, row.work, row.device.title]
        if row.reason:
            cells += [row.reason.replace("|", "/"), *[""] * (len(heads) - 4)]
        else:
            cells += [f"{row.rate:,.3g}", f"{min(row.rates):,.3g} to {max(row.rates):,.3g}"]
            base = _processor(rows, row.network, row.work)
            cells += [f"{row.rate / base:.2f}" if base else "", f"{1000 / row.rate:,.3g}"]
            if prices:
                price = prices.get(row.device.kind)
                cells.append("" if price is None else f"{dollars(row.rate, price):.2g}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def dollars(rate: float, price: float, images: int = 1000) -> float:
    """What ``images`` cost at ``rate`` images a second and ``price`` dollars an hour."""
    return images / rate / 3600 * price


def _processor(rows: list[Row], network: str, work: str) -> float:
    """The best rate of PyTorch on the processor, 0 where there is none."""
    same = (row for row in rows if (row.network, row.work) == (network, work) and row.rates)
    return max((row.rate for row in same if row.device.kind == "cpu" and not row.device.openvino), default=0.0)


def draw(rows: list[Row], path: Path) -> None:
    """Write a bar chart, a panel for each work; logarithmic where rates differ more than thirty times."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    measured = [row for row in rows if row.rates]
    devices = list(dict.fromkeys(row.device for row in measured))
    networks = list(dict.fromkeys(row.network for row in measured))
    figure, panels = pyplot.subplots(1, len(WORKS), figsize=(11, 4.2), layout="constrained")
    for axes, work in zip(panels, WORKS, strict=True):
        here = [row for row in measured if row.work == work]
        shown = [device for device in devices if any(row.device == device for row in here)]
        for row in here:
            place = networks.index(row.network) + 0.8 * ((shown.index(row.device) + 0.5) / len(shown) - 0.5)
            colour = f"C{devices.index(row.device) % 10}"
            bar = axes.bar(place, row.rate, 0.8 / len(shown) * 0.92, color=colour, label=row.device.title)
            axes.bar_label(bar, [f"{row.rate:,.3g}"], fontsize=8)
        axes.set_xticks(range(len(networks)), networks)
        axes.set(title=work, ylabel="images a second")
        rates = [row.rate for row in here]
        if rates and max(rates) > 30 * min(rates):
            axes.set_yscale("log")
        axes.margins(y=0.1)
        axes.spines[["top", "right"]].set_visible(False)
    found: dict[str, Any] = {}
    for axes in panels:
        handles, titles = axes.get_legend_handles_labels()
        found |= dict(zip(titles, handles, strict=True))
    figure.legend(
        list(found.values()), list(found), loc="outside lower center", ncols=min(max(len(found), 1), 4), fontsize=8
    )
    try:
        with replacing(path) as scratch:
            figure.savefig(scratch, format="png", dpi=120)
    finally:
        pyplot.close(figure)
