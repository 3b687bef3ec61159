"""What the page does when something on it is used: key and values in, values of components out."""

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from segmentation.corrections import Correction
from segmentation.errors import NucleoscopeError
from segmentation.image_info import describe
from segmentation.instance_maps import DecodeParams
from segmentation.pixel_size import PixelSize
from segmentation.segmenter import Segmenter
from ui.controls import PROJECTIONS, WHOLE
from ui.session import Found, Reading, Session, expand_all, segment_files
from ui.show import as_messages, show, show_all
from ui.store import Store

DESCRIBED = 20  # files; more would push the page away
DONE = {"delete": "Deleted.", "merge": "Merged.", "split": "Split.", "draw": "Added."}


class Actions:
    """The page's actions over one model.

    Args:
        segmenter: the model.
        store: what the server keeps of each visitor.
    """

    def __init__(self, segmenter: Segmenter, store: Store) -> None:
        self.segmenter, self.store = segmenter, store

    def params(
        self, threshold: float, separation: float, min_area: float, max_area: float | None, drop_border: bool
    ) -> DecodeParams:
        """The sliders as decode parameters; the mode is the bundle's."""
        return DecodeParams(
            self.segmenter.bundle.decode.mode,
            float(threshold),
            float(separation),
            int(min_area),
            int(max_area or 0),
            bool(drop_border),
        )

    def restore(self, key: str | None) -> tuple[Any, ...]:
        """The page was loaded anew: what its visitor had. Key, sliders, what run gives after the button."""
        session = self.store.find(key) or Session()
        p = session.params or self.segmenter.bundle.decode
        knobs = (p.threshold, p.separation, p.min_area, p.max_area, p.drop_border)
        magnification = session.magnification or self.segmenter.bundle.magnification
        values = (*knobs, magnification, session.accurate)
        return key if session.found else "", *values, picker(session), *_all(session)

    def understand(self, paths: list[str] | None) -> tuple[Any, ...]:
        """Say what files are before anything is done with them. Text, accordion, channel, projection, pixel size."""
        lines, channels, stacks, whole = [], [WHOLE], False, True
        for path in [Path(path) for path in paths or []][:DESCRIBED]:
            try:
                info = describe(path)
            except NucleoscopeError:
                continue  # a zip, or no picture: the run that follows says so, file by file
            lines.append(f"<div><b>{html.escape(path.name)}</b> {html.escape(info.sentence())}</div>")
            stacks |= info.projected_pages < info.pages
            whole &= info.channels in (1, 3)
            if info.channels > 1 and info.channels >= len(channels):
                names = info.channel_names or tuple(f"channel {index}" for index in range(info.channels))
                channels = [WHOLE, *(f"{index}: {name}" for index, name in enumerate(names))]
        return (
            "".join(lines),
            gr.Accordion(visible=bool(paths), open=stacks or not whole),
            # Channels that are no colours must be chosen from; the first is a start, and it shows that it is one.
            gr.Dropdown(channels, value=WHOLE if whole or len(channels) < 2 else channels[1]),
            gr.Dropdown(visible=stacks, value=next(iter(PROJECTIONS))),
            0,
        )

    def run(
        self,
        key: str | None,
        paths: list[str] | None,
        channel: str,
        projection: str,
        pixel_size: float,
        accurate: bool,
        magnification: float,
        threshold: float,
        separation: float,
        min_area: float,
        max_area: float | None,
        drop_border: bool,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  (Gradio finds it by this default)
    ) -> Iterator[tuple[Any, ...]]:
        """Segment all files; the page fills as they are done. Key, cancel button, picker, then what restore gives."""
        key, session = self.store.open(replaces=key)
        session.paths = paths or []
        if not paths:
            yield key, gr.Button(visible=False), picker(session), *_all(session)
            return
        skipped = [gr.skip()] * 6
        yield key, gr.Button(visible=len(paths) > 1), *skipped  # whatever happens, the page knows the new key
        with as_messages():
            params = session.params = self.params(threshold, separation, min_area, max_area, drop_border)
            session.reading = _reading(channel, projection, pixel_size)
            session.accurate, session.magnification = bool(accurate), float(magnification)
            files = expand_all(session, paths)

            def report(done: float, text: str) -> None:
                progress(done, desc=text)

            steps = segment_files(session, self.segmenter, files, params, report)
            if not files:
                yield key, gr.Button(visible=False), picker(session), *_all(session)
            opened = False
            for number, _ in enumerate(steps, start=1):
                # The first picture is shown as soon as it is there; the others join the list, and leave alone whatever
                # the visitor looks at by then.
                last = number == len(files)
                if opened:
                    names = session.names()
                    shown = (gr.Dropdown(names, visible=len(names) > 1), gr.skip(), gr.skip())
                else:
                    opened = bool(session.found)
                    shown = (picker(session), *show(session.of(None), picture=True))
                yield key, gr.Button(visible=not last), *shown, *show_all(session)

    def rerun(
        self,
        key: str | None,
        channel: str,
        projection: str,
        pixel_size: float,
        accurate: bool,
        magnification: float,
        threshold: float,
        separation: float,
        min_area: float,
        max_area: float | None,
        drop_border: bool,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[tuple[Any, ...]]:
        """:meth:`run` for the files at hand, which after a reload the drop zone no longer shows."""
        session = self.store.find(key)
        settings = (_reading(channel, projection, pixel_size), bool(accurate), float(magnification))
        same = session is not None and settings == (session.reading, session.accurate, session.magnification)
        if session is None or not session.paths or same:
            yield tuple([gr.skip()] * 8)
            return
        knobs = (threshold, separation, min_area, max_area, drop_border)
        yield from self.run(
            key, session.paths, channel, projection, pixel_size, accurate, magnification, *knobs, progress
        )

    def choose(self, key: str | None, event: gr.SelectData) -> str | None:
        """The name of the picture that was clicked in the gallery."""
        with as_messages():
            names = self.store.get(key).names()
        return names[event.index] if event.index < len(names) else None

    def pick(self, key: str | None, name: str | None) -> tuple[Any, ...]:
        """Another picture of the visitor's. Summary, workbench."""
        with as_messages():
            session = self.store.get(key)
        return show(session.of(name), picture=True)

    def adjust(
        self,
        key: str | None,
        name: str | None,
        threshold: float,
        separation: float,
        min_area: float,
        max_area: float | None,
        drop_border: bool,
    ) -> tuple[Any, ...]:
        """Other parameters for all pictures; the network does not run. Summary, workbench, problems, table, gallery."""
        session = self.store.find(key)
        if session is None or not session.found:
            return tuple([gr.skip()] * 5)
        with as_messages():
            params = self.params(threshold, separation, min_area, max_area, drop_border)
        ended = any(found.history.corrections for found in session.found) and params != session.params
        session.params = params
        for found in session.found:
            if found.result.params != params:
                found.decode(params)
        message = "Found anew, without your corrections; Undo brings them back." if ended else ""
        return *show(session.of(name), picture=False, message=message), *show_all(session)

    def resize(self, key: str | None, name: str | None, pixel_size: float | None) -> tuple[Any, ...]:
        """Another pixel size for all pictures. Summary, workbench."""
        session = self.store.find(key)
        if session is None or not session.found:
            return gr.skip(), gr.skip()
        with as_messages():
            for found in session.found:
                found.resize(PixelSize(pixel_size, pixel_size) if pixel_size else None)
        return show(session.of(name), picture=False)

    def correct(self, key: str | None, name: str | None, event: gr.EventData) -> tuple[Any, ...]:
        """What was drawn on the picture. Summary, workbench, problems, table, gallery."""
        with as_messages():
            session = self.store.get(key)
        found, message = session.of(name), ""
        if found is not None:
            try:
                message = _correct(found, dict(event._data))
            except NucleoscopeError as error:
                message = str(error)  # beside the picture, where the hand is
        return *show(found, picture=False, message=message), *show_all(session)


def picker(session: Session) -> gr.Dropdown:
    """The list of pictures, with the first chosen; a single one needs no list."""
    names = session.names()
    return gr.Dropdown(names, value=names[0] if names else None, visible=len(names) > 1)


def _reading(channel: str, projection: str, pixel_size: float | None) -> Reading:
    number = None if channel == WHOLE else int(channel.split(":")[0])
    return Reading(number, PROJECTIONS[projection], float(pixel_size or 0))


def _all(session: Session) -> tuple[Any, ...]:
    return *show(session.of(None), picture=True), *show_all(session)


def _correct(found: Found, drawn: dict[str, Any]) -> str:
    """Apply one gesture of the workbench to ``found``; returns a word on it."""
    kind, history = drawn["kind"], found.history
    if kind == "undo":
        return found.undo()
    if kind == "redo":
        found.history = history.redo() if history.can_redo else history
        return "" if history.can_redo else "Nothing to redo."
    labels = drawn.get("labels", [])
    # Several can be selected and deleted at once, and each is a correction that can be undone.
    parts = [[label] for label in labels] if kind == "delete" else [labels]
    for part in parts:
        history = history.done(Correction.from_json({"kind": kind, "points": drawn.get("points", []), "labels": part}))
    found.history = history
    return DONE[kind]
