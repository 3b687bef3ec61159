"""A U-Net drawn as HTML with what it saw at each level: the U, one level's channels, and the table of layers."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segmentation.inspection import Level
from segmentation.layers import LayerRow, Side

TILE = 128  # pixels a side of a small picture at most; the page draws it no larger
SHOWN = 6  # channels of each level in the drawing, where they fit: the bottom is drawn wider than the others
_WAY = {
    "encoder": "on the way down",
    "bottleneck": "at the bottom of the U",
    "decoder": "on the way up",
    "output": "the end of the U",
}


@dataclass(frozen=True, eq=False)
class LevelView:
    """A level as the page shows it, light enough to be kept between clicks.

    Attributes:
        name: see :class:`segmentation.inspection.Level`; likewise ``side``, ``parameters`` and ``scale``.
        height: of the level's maps, in pixels.
        width: likewise.
        order: channels, counted from 0, those that vary most over the picture first.
        tiles: ``(C, h, w)`` uint8, at most ``TILE`` pixels a side, each channel stretched from its least to its most.
        silent: channels that answer the same everywhere.
        names: of the channels, where they have some.
    """

    name: str
    side: Side
    height: int
    width: int
    parameters: int
    scale: int
    order: tuple[int, ...]
    tiles: NDArray[np.uint8]
    silent: int
    names: tuple[str, ...] = ()

    def called(self, channel: int) -> str:
        """A channel's name or its number, counted from 1."""
        return self.names[channel] if self.names else str(channel + 1)


def view_level(level: Level, names: Sequence[str] = ()) -> LevelView:
    """Shrink and stretch a level's maps for the page; channels with names stay in their order."""
    channels, height, width = level.maps.shape
    spread = level.maps.reshape(channels, -1).std(axis=1)
    factor = min(1.0, TILE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    maps = np.stack([cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in level.maps])
    if level.side == "output":  # probabilities have a scale of their own
        low, high = np.zeros((channels, 1, 1)), np.ones((channels, 1, 1))
    else:
        low, high = np.percentile(maps, (0.5, 99.5), axis=(1, 2), keepdims=True)
    stretched = np.clip((maps - low) / np.maximum(high - low, 1e-9), 0, 1)
    return LevelView(
        level.name,
        level.side,
        height,
        width,
        level.parameters,
        level.scale,
        tuple(range(channels)) if names else tuple(int(channel) for channel in np.argsort(-spread, kind="stable")),
        np.rint(stretched * 255).astype(np.uint8),
        int((spread < 1e-6).sum()),
        tuple(names),
    )


@cache
def _palette() -> bytes:
    """Viridis: dark blue for the least, yellow for the most; even in brightness and safe for the colour-blind."""
    colours = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_VIRIDIS)
    return bytes(np.ascontiguousarray(colours[:, 0, ::-1]))


def png_uri(pixels: NDArray[np.uint8]) -> str:
    """``(H, W)`` uint8 in the palette of answers, or ``(H, W, 3)`` in its own colours -> a ``data:`` address."""
    picture = Image.fromarray(pixels)
    if pixels.ndim == 2:
        picture.putpalette(_palette())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def draw_u(picture: NDArray[np.float32], views: list[LevelView], joined: str) -> str:
    """The U: the picture, each level as a button (the first is pressed), in the order of the picture's way through.

    Args:
        picture: ``(H, W, C)`` in [0, 1], what the network was given; C is 1 or 3.
        views: as ``inspect_part`` orders them, finest first and the answer last.
        joined: what happens to the copies that are handed across.
    """
    bottom = next(index for index, view in enumerate(views) if view.side == "bottleneck")
    height, width = picture.shape[:2]
    factor = min(1.0, 2 * TILE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(np.broadcast_to(picture, (height, width, 3)).copy(), size, interpolation=cv2.INTER_AREA)
    source = png_uri(np.rint(small * 255).astype(np.uint8))
    parts = [
        "<figure class='card picture' style='--row:1;--depth:0'>"
        f"<figcaption><b>Picture</b><span>{width} &times; {height}</span></figcaption>"
        f"<img src='{source}' alt='The part of the picture that the network is given'></figure>"
    ]
    for index, view in enumerate(views):
        depth = min(index, 2 * bottom - index) if view.side != "output" else -1
        parts.append(_card(index, view, depth))
        if view.side in ("encoder", "decoder"):
            down = view.side == "encoder"
            label = "halved" if down else "doubled"
            parts.append(_arrow("down" if down else "up", label, depth))
        if view.side == "encoder":
            parts.append(_arrow("across", joined, depth))
    parts += [_arrow("down", "", -1), _arrow("up", "", -1)]
    return f"<div class='u' role='group' aria-label='The levels of the network'>{''.join(parts)}</div>"


def _card(index: int, view: LevelView, depth: int) -> str:
    shown = view.order[: SHOWN if view.side == "bottleneck" else SHOWN - 2]
    images = "".join(f"<img src='{png_uri(view.tiles[channel])}' alt=''>" for channel in shown)
    return (
        f"<button type='button' class='card level {view.side}' data-level='{index}' "
        f"aria-pressed='{'true' if index == 0 else 'false'}' "
        f"style='--row:{2 * depth + 3};--depth:{max(depth, 0)}'>"
        f"<span class='head'><b>{view.name}</b><span>{_size(view)}</span></span>"
        f"<span class='numbers'><span>{', '.join(view.names) or _channels(view)}</span>"
        f"<span>{view.parameters:,} parameters</span></span><span class='maps'>{images}</span></button>"
    )


def _arrow(way: str, label: str, depth: int) -> str:
    row = 2 * depth + (3 if way == "across" else 4)
    return (
        f"<div class='arrow {way}' aria-hidden='true' style='--row:{row};--depth:{max(depth, 0)}'>"
        f"<span>{label}</span></div>"
    )


def _size(view: LevelView) -> str:
    return f"{view.width} &times; {view.height}"


def _channels(view: LevelView) -> str:
    return f"{len(view.order)} channel{'' if len(view.order) == 1 else 's'}"


def draw_channels(view: LevelView, *, asked: bool) -> str:
    """All channels of one level, those that vary most first.

    Args:
        view: the level.
        asked: someone clicked for it, so the page scrolls to it.
    """
    tiles = "".join(
        f"<figure><img src='{png_uri(view.tiles[channel])}' alt='Channel {view.called(channel)}'>"
        f"<figcaption>{view.called(channel)}</figcaption></figure>"
        for channel in view.order
    )
    stretched = "Each picture is one channel, stretched from its weakest to its strongest answer."
    if view.side == "output":
        sense = "What comes out: numbers between 0 and 1, one for each pixel of each map."
    elif view.scale == 1:
        sense = f"As fine as what the network was given. {stretched}"
    else:
        given = f"{view.scale} &times; {view.scale} pixels of what the network was given"
        sense = f"One pixel here stands for {given}. {stretched}"
    some = "One of them answers" if view.silent == 1 else f"{view.silent} of them answer"
    silent = f" {some} the same everywhere in this picture." if view.silent else ""
    return (
        f"<section class='channels' data-asked='{int(asked)}' aria-label='Channels of {view.name}'>"
        f"<h3>{view.name}, {_WAY[view.side]}: {_channels(view)} of {_size(view)} pixels</h3>"
        f"<p>{sense}{silent}</p><p class='legend'><span>weak</span><span class='scale'></span><span>strong</span></p>"
        f"<div class='tiles' tabindex='0' role='region' aria-label='All channels of {view.name}'>{tiles}</div>"
        "</section>"
    )


def draw_table(rows: list[LayerRow]) -> str:
    """The layers, level by level, with what each level and the whole network have learned."""
    bodies = []
    for level in dict.fromkeys(row.level for row in rows):
        own = [row for row in rows if row.level == level]
        lines = "".join(
            f"<tr><td>{row.kind}<code>{row.layer.replace('.', '.<wbr>')}</code></td>"
            f"<td>{_times(row.kernel) or '&ndash;'}</td>"
            f"<td>{row.in_channels} &rarr; {row.out_channels}</td><td class='formula'>{_times(row.formula)}</td>"
            f"<td>{row.parameters:,}</td></tr>"
            for row in own
        )
        total = sum(row.parameters for row in own)
        bodies.append(
            f"<tbody><tr class='level'><th scope='rowgroup' colspan='3'>{level}</th><td class='formula'></td>"
            f"<td>{total:,}</td></tr>{lines}</tbody>"
        )
    total = sum(row.parameters for row in rows)
    return (
        "<table class='layers'><thead><tr><th scope='col'>Layer</th><th scope='col'>Kernel</th>"
        "<th scope='col'>Channels in &rarr; out</th><th scope='col' class='formula'>How they come about</th>"
        f"<th scope='col'>Parameters</th></tr></thead>{''.join(bodies)}"
        f"<tfoot><tr><th scope='row' colspan='3'>All layers</th><td class='formula'></td>"
        f"<td>{total:,}</td></tr></tfoot></table>"
    )


def _times(text: str) -> str:
    return text.replace(" x ", " &times; ")
