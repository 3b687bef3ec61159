"""What the page does when something on it is used: key and values in, values of components out."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from segmentation.errors import NucleoscopeError
from segmentation.instance_maps import DecodeParams
from segmentation.pixel_size import PixelSize
from ui.control_values import chosen, defaults, of_session
from ui.controls import reading_of
from ui.gestures import apply_gesture
from ui.models import Models
from ui.segmenting import expand_all, segment_files
from ui.serving_work import LOST, by_turns
from ui.session import Session
from ui.show import as_messages, picker, show, show_all, show_session
from ui.store import Store


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
        """The page was loaded anew: what its visitor had. Key, controls, what run gives after the button."""
        self.store.stop(key)  # a run that was under way no longer reaches the page
        session = self.store.find(key) or Session()
        shown = list(show_session(session))
        if key and self.store.find(key) is None:  # the browser remembers a visit that this server does not
            shown[0] = f"<div class='failure'>{LOST}</div>{shown[0]}"
        return key if session.found else "", *of_session(self.models, session), picker(session), *shown

    def defaults(self, model: str | None) -> list[Any]:
        """Sliders and magnification as the model has them."""
        return defaults(self.models, model)

    def choose_model(self, model: str) -> list[Any]:
        """The model's card, and sliders that suit it, then magnification."""
        return chosen(self.models, model)

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
        if not paths:
            key, session = self.store.open(replaces=key)
            yield key, gr.Button(visible=False), picker(session), *show_session(session)
            return
        with as_messages():  # refused here, all stays as it is
            knobs = (threshold, separation, min_area, max_area, drop_border, min_probability)
            params, reading = self.params(model, *knobs), reading_of(channel, projection, pixel_size)
        previous = self.store.find(key)
        key, session = self.store.open(replaces=key)
        session.before = previous if previous and previous.found else None
        session.paths, session.params, session.reading, session.model = paths, params, reading, model
        session.accurate, session.magnification = bool(accurate), float(magnification) or None
        try:
            yield (
                key,
                gr.Button(visible=len(paths) > 1),
                *[gr.skip()] * 6,
            )  # whatever happens, the page knows the new key
            with as_messages():
                for step in self._segment(session, previous, progress):
                    yield key, *step
        finally:
            self.store.stop(key)  # stopped or refused before the first picture: what the page shows stays

    def _segment(self, session: Session, previous: Session | None, progress: gr.Progress) -> Iterator[tuple[Any, ...]]:
        """After each file: cancel button, picker, then what restore gives."""

        def report(done: float | None, text: str) -> None:
            progress(done, desc=text)

        segmenter, files = self.models.segmenter(session.model), expand_all(session, session.paths)
        kept = previous if previous and previous.same_network(session) else None
        steps = segment_files(session, segmenter, files, report, kept)
        if not files:
            session.begun()
            yield gr.Button(visible=False), picker(session), *show_session(session)
        opened, shown = False, list[Any]()
        for number, _ in enumerate(by_turns(self.models.turns, steps, len(files), report), start=1):
            # The first picture is shown as soon as it is there; the others join the list. What the page has is said
            # again rather than skipped: when answers come in a rush, Gradio's client takes back from those that wait
            # what later ones leave out. Once the visitor has acted on them, the page has them, and is left alone.
            session.begun()
            last = number == len(files)
            if session.touched:
                shown = [gr.Dropdown(session.names(), visible=len(session.found) > 1), gr.skip(), gr.skip()]
            elif opened:
                shown[0] = picker(session)
            else:
                opened = bool(session.found)
                shown = [picker(session), *show(session.of(None), picture=True)]
            # Not shown anew: a step on its way when the visitor stops would bring the button back for good.
            yield gr.Button(visible=False) if last else gr.skip(), *shown, *show_all(session)

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
        session = self.store.newest(key)
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

    def stop(self, key: str | None) -> gr.Button:
        """The visitor ends a run: what the page shows stays. The button, hidden."""
        self.store.stop(key)
        return gr.Button(visible=False)

    def choose(self, key: str | None, event: gr.SelectData) -> str | None:
        """The name of the picture that was clicked in the gallery."""
        with as_messages():
            names = self.store.get(key).names()
        return names[event.index] if event.index < len(names) else None

    def pick(self, key: str | None, name: str | None) -> tuple[Any, ...]:
        """Another picture of the visitor's. Summary, workbench."""
        with as_messages():
            session = self.store.get(key)
        session.touched = True
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
        session = self.store.newest(key)
        if session is None:
            return tuple([gr.skip()] * 5)
        with as_messages():
            knobs = (threshold, separation, min_area, max_area, drop_border, min_probability)
            params = self.params(session.model, *knobs)
        if session.before or not session.found:  # a run is under way, and brings pictures that follow these
            session.params = params
            return tuple([gr.skip()] * 5)
        if params == session.params:  # a reload brought back what was there
            return tuple([gr.skip()] * 5)
        session.touched, session.params = True, params
        others = [found for found in session.found if found.result.params != params]
        ended = any(found.history.corrections for found in others)
        for found in others:
            found.decode(params)
        message = "Found anew, without your corrections; Undo brings them back." if ended else ""
        return *show(session.of(name), picture=False, message=message), *show_all(session)

    def resize(self, key: str | None, name: str | None, pixel_size: float | None) -> tuple[Any, ...]:
        """Another pixel size for all pictures. Summary, workbench."""
        session = self.store.newest(key)
        if session is None:
            return gr.skip(), gr.skip()
        session.reading = replace(session.reading, pixel_size=float(pixel_size or 0))
        if session.before or not session.found:
            return gr.skip(), gr.skip()
        session.touched = True
        with as_messages():
            for found in session.found:
                found.resize(PixelSize(pixel_size, pixel_size) if pixel_size else None)
        return show(session.of(name), picture=False)

    def correct(self, key: str | None, name: str | None, event: gr.EventData) -> tuple[Any, ...]:
        """What was drawn on the picture. Summary, workbench, problems, table, gallery."""
        with as_messages():
            session = self.store.get(key)
        session.touched = True
        found, message = session.of(name), ""
        if found is not None:
            try:
                message = apply_gesture(found, dict(event._data))
            except NucleoscopeError as error:
                message = str(error)  # beside the picture, where the hand is
        if self.store.find(key) is not session:  # a run has just brought others, which the page must keep
            return tuple([gr.skip()] * 5)
        return *show(found, picture=False, message=message), *show_all(session)
