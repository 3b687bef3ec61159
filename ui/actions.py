"""What the page does when something on it is used: key and values in, values of components out."""

from collections.abc import Iterator
from dataclasses import astuple
from typing import Any

import gradio as gr

from segmentation.corrections import Correction
from segmentation.errors import NucleoscopeError
from segmentation.instance_maps import DecodeParams, separation_limit
from segmentation.pixel_size import PixelSize
from ui.controls import reading_of
from ui.models import Models, shown_magnification
from ui.segmenting import expand_all, segment_files
from ui.serving_work import LOST, by_turns
from ui.session import Found, Session
from ui.show import as_messages, picker, show, show_all, show_session
from ui.store import Store

DONE = {"delete": "Deleted.", "merge": "Merged.", "split": "Split.", "draw": "Added."}


class Actions:
    """The page's actions over one model.

    Args:
        models: to choose from.
        store: what the server keeps of each visitor.
    """

    def __init__(self, models: Models, store: Store) -> None:
        self.models, self.store = models, store

    def params(self, model: str | None, *knobs: Any) -> DecodeParams:
        """The values of ``Controls.knobs`` as decode parameters; the mode is the model's."""
        threshold, separation, min_area, max_area, drop_border, min_probability = knobs
        return DecodeParams(
            self.models.segmenter(model).bundle.decode.mode,
            float(threshold),
            float(separation),
            int(min_area),
            int(max_area or 0),
            bool(drop_border),
            float(min_probability),
        )

    def restore(self, key: str | None) -> tuple[Any, ...]:
        """The page was loaded anew: what its visitor had. Key, sliders, what run gives after the button."""
        session = self.store.find(key) or Session()
        name = session.model or self.models.default
        values = [gr.Dropdown(self.models.names, value=name), *self.choose_model(name), session.accurate]
        if session.params is not None:
            p = session.params
            separation = self._separation(name, p.separation)
            values[2:9] = [*_knobs(p), session.magnification or 0.0]
            values[3] = separation
        shown = list(show_session(session))
        if key and self.store.find(key) is None:  # the browser remembers a visit that this server does not
            shown[0] = f"<div class='failure'>{LOST}</div>{shown[0]}"
        return key if session.found else "", *values, picker(session), *shown

    def defaults(self, model: str | None) -> list[Any]:
        """Sliders and magnification as the model has them."""
        bundle = self.models.segmenter(model).bundle
        own = bundle.decode
        return [*_knobs(own), shown_magnification(bundle)]

    def choose_model(self, model: str) -> list[Any]:
        """The model's card, and sliders that suit it, then magnification."""
        with as_messages():
            card, values = self.models.card_html(model), self.defaults(model)
        values[1] = self._separation(model, values[1])
        return [card, *values]

    def _separation(self, model: str, value: float) -> gr.Slider:
        bundle = self.models.segmenter(model).bundle
        limit = separation_limit(bundle.maps)
        return gr.Slider(
            maximum=max(limit, value), step=limit / 100, value=value, visible=bundle.decode.mode == "instances"
        )

    def run(
        self,
        key: str | None,
        paths: list[str] | None,
        model: str,
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
        min_probability: float,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  (Gradio finds it by this default)
    ) -> Iterator[tuple[Any, ...]]:
        """Segment all files; the page fills as they are done. Key, cancel button, picker, then what restore gives."""
        previous = self.store.find(key)
        key, session = self.store.open(replaces=key)
        session.paths = paths or []
        if not paths:
            yield key, gr.Button(visible=False), picker(session), *show_session(session)
            return
        skipped = [gr.skip()] * 6
        yield key, gr.Button(visible=len(paths) > 1), *skipped  # whatever happens, the page knows the new key
        with as_messages():
            knobs = (threshold, separation, min_area, max_area, drop_border, min_probability)
            params = session.params = self.params(model, *knobs)
            session.reading = reading_of(channel, projection, pixel_size)
            session.model, session.accurate, session.magnification = model, bool(accurate), float(magnification) or None
            files = expand_all(session, paths)

            def report(done: float | None, text: str) -> None:
                progress(done, desc=text)

            kept = previous if previous and previous.same_network(session) else None
            steps = segment_files(session, self.models.segmenter(model), files, params, report, kept)
            if not files:
                yield key, gr.Button(visible=False), picker(session), *show_session(session)
            opened = False
            for number, _ in enumerate(by_turns(self.models.turns, steps, len(files), report), start=1):
                # The first picture is shown as soon as it is there; the others join the list, and leave alone whatever
                # the visitor looks at by then.
                last = number == len(files)
                if opened:
                    shown = (gr.Dropdown(session.names(), visible=len(session.found) > 1), gr.skip(), gr.skip())
                else:
                    opened = bool(session.found)
                    shown = (picker(session), *show(session.of(None), picture=True))
                # Not shown anew: a step on its way when the visitor stops would bring the button back for good.
                yield key, gr.Button(visible=False) if last else gr.skip(), *shown, *show_all(session)

    def rerun(
        self,
        key: str | None,
        dropped: list[str] | None,
        model: str,
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
        min_probability: float,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[tuple[Any, ...]]:
        """:meth:`run` for the files at hand, which after a reload the drop zone no longer shows.

        Files whose run was refused for a value out of range are not at hand yet, and are in the drop zone.
        """
        session = self.store.find(key)
        asked = (model, reading_of(channel, projection, pixel_size), bool(accurate), float(magnification) or None)
        if session is None:  # with a key, a newer run has taken its place
            paths, same = dropped if not key else None, False
        else:
            more = bool(dropped) and set(session.paths) < set(dropped or [])
            paths, same = (dropped, False) if more else (session.paths, asked == session.settings)
        if not paths or same:
            yield tuple([gr.skip()] * 8)
            return
        knobs = (threshold, separation, min_area, max_area, drop_border, min_probability)
        yield from self.run(
            key, paths, model, channel, projection, pixel_size, accurate, magnification, *knobs, progress
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
        min_probability: float,
    ) -> tuple[Any, ...]:
        """Other parameters for all pictures; the network does not run. Summary, workbench, problems, table, gallery."""
        session = self.store.find(key)
        if session is None or not session.found:
            return tuple([gr.skip()] * 5)
        with as_messages():
            knobs = (threshold, separation, min_area, max_area, drop_border, min_probability)
            params = self.params(session.model, *knobs)
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


def _knobs(params: DecodeParams) -> list[Any]:
    """As ``Controls.knobs`` take them."""
    return list(astuple(params)[1:])
