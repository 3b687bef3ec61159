"""The tab that segments: drop pictures, look, adjust, take the labels home."""

import html
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr

from segmentation.errors import NucleoscopeError
from segmentation.instance_maps import DecodeParams, separation_limit
from segmentation.segmenter import Segmenter
from ui.examples import write_examples
from ui.session import Session, redecode, render, save_labels, segment_files, summary_html

_EMPTY = "<div class='detail'>Drop pictures on the left, or click an example.</div>"
_HEADERS = ["Picture", "Nuclei", "Size", "Seconds", "Notes"]


def build_segment_tab(segmenter: Segmenter) -> None:
    """Lay out the tab and wire its events, inside an open ``gr.Blocks``."""
    default = segmenter.bundle.decode
    limit = separation_limit(segmenter.bundle.maps)
    examples = write_examples()
    session = gr.State(Session(), time_to_live=3600)
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            drop = gr.File(
                label="Pictures: PNG, JPEG, TIFF, BMP, GIF",
                file_count="multiple",
                height=150,
                elem_id="drop",
            )
            gr.Markdown("No picture at hand? Click a generated example.", elem_id="hint")
            gallery = gr.Gallery(
                value=[path for path, _ in examples],
                show_label=False,
                columns=3,
                height=104,
                allow_preview=False,
                object_fit="cover",
                interactive=False,
                buttons=[],
                elem_id="examples",
            )
            with gr.Group():
                threshold = gr.Slider(
                    0.05,
                    0.95,
                    default.threshold,
                    step=0.01,
                    label="Probability threshold",
                    info="Higher: only what the network is surer of",
                    elem_id="threshold",
                )
                separation = gr.Slider(
                    0,
                    max(limit, default.separation),
                    default.separation,
                    step=limit / 100,
                    label="Separation",
                    info="0 leaves clumps whole; above 0, lower values cut more",
                    visible=default.mode == "instances",
                    elem_id="separation",
                )
                min_area = gr.Slider(
                    0,
                    500,
                    default.min_area,
                    step=1,
                    label="Smallest area",
                    info="In pixels; smaller objects are dropped",
                    elem_id="min-area",
                )
                accurate = gr.Checkbox(
                    False,
                    label="Accurate mode",
                    info="Averages eight turned and mirrored views; takes eight times as long",
                    elem_id="accurate",
                )
                magnification = gr.Slider(
                    0.25,
                    4,
                    segmenter.bundle.magnification,
                    step=0.05,
                    label="Magnification",
                    info="Lower for nuclei of more than 50 pixels across, higher for less than 8",
                    elem_id="magnification",
                )
                style = gr.Radio(["Outline", "Fill"], value="Outline", label="Overlay", elem_id="style")
                opacity = gr.Slider(0.1, 1, 1, step=0.05, label="Opacity")
            reset = gr.Button("Reset to the model's values", size="sm")
        with gr.Column(scale=3):
            summary = gr.HTML(_EMPTY, elem_id="summary")
            picker = gr.Dropdown([], label="Picture", visible=False, elem_id="picker", interactive=True)
            with gr.Row():
                picture = gr.Image(
                    label="Picture",
                    format="png",
                    interactive=False,
                    buttons=["fullscreen"],
                    elem_id="picture",
                    height=470,
                )
                overlay = gr.Image(
                    label="Nuclei",
                    format="png",
                    interactive=False,
                    buttons=["fullscreen", "download"],
                    height=470,
                    elem_id="overlay",
                )
            table = gr.Dataframe(
                headers=_HEADERS, interactive=False, visible=False, wrap=True, label="All pictures", elem_id="table"
            )
            files = gr.File(
                label="Label images (TIFF, one number per nucleus)",
                visible=False,
                interactive=False,
                file_count="multiple",
                elem_id="labels",
            )

    knobs = [threshold, separation, min_area]
    looks = [style, opacity]
    shown = [summary, picture, overlay, table, files]

    def run(
        paths: list[str] | None,
        accurate: bool,
        magnification: float,
        threshold: float,
        separation: float,
        min_area: float,
        style: str,
        opacity: float,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  (Gradio finds it by this default)
    ) -> tuple[Any, ...]:
        if not paths:
            fresh = Session()
            return fresh, gr.Dropdown([], value=None, visible=False), *_show(fresh, None, style, opacity)
        with _as_messages():
            params = _params(default, threshold, separation, min_area)

            def report(done: float, text: str) -> None:
                progress(done, desc=text)

            fresh = segment_files(
                segmenter,
                [Path(path) for path in paths],
                params,
                report,
                accurate=accurate,
                magnification=magnification,
            )
        names = fresh.names()
        picker = gr.Dropdown(names, value=names[0] if names else None, visible=len(names) > 1)
        return fresh, picker, *_show(fresh, names[0] if names else None, style, opacity)

    def adjust(
        kept: Session,
        name: str | None,
        threshold: float,
        separation: float,
        min_area: float,
        style: str,
        opacity: float,
    ) -> tuple[Any, ...]:
        with _as_messages():
            fresh = redecode(kept, _params(default, threshold, separation, min_area))
        return fresh, *_show(fresh, name, style, opacity)

    def pick_example(event: gr.SelectData) -> list[str]:
        return [examples[event.index][0]]

    inputs = [drop, accurate, magnification, *knobs, *looks]
    results = [session, picker, *shown]
    changed = [drop.upload, drop.clear, drop.delete, accurate.input, magnification.change]
    gr.on(changed, run, inputs, results, show_progress_on=[summary], trigger_mode="always_last")
    gallery.select(pick_example, None, drop, show_progress="hidden").then(
        run, inputs, results, show_progress_on=[summary]
    )
    for knob in knobs:
        knob.change(
            adjust,
            [session, picker, *knobs, *looks],
            [session, *shown],
            trigger_mode="always_last",
            show_progress="hidden",
        )
    gr.on(
        [picker.input, style.change, opacity.change],
        _draw,
        [session, picker, *looks],
        [summary, picture, overlay],
        trigger_mode="always_last",
        show_progress="hidden",
    )
    own = [default.threshold, default.separation, default.min_area, segmenter.bundle.magnification]
    reset.click(lambda: own, None, [*knobs, magnification], show_progress="hidden")


@contextmanager
def _as_messages() -> Iterator[None]:
    """Project errors become Gradio messages; anything else stays a fault to be seen in the log."""
    try:
        yield
    except NucleoscopeError as error:
        raise gr.Error(str(error), duration=None) from error


def _params(default: DecodeParams, threshold: float, separation: float, min_area: float) -> DecodeParams:
    return DecodeParams(default.mode, float(threshold), float(separation), int(min_area))


def _show(session: Session, name: str | None, style: str, opacity: float) -> tuple[Any, ...]:
    """Values of the summary, both pictures, the table and the files."""
    many = len(session.results) + len(session.failures) > 1
    table = gr.Dataframe(session.table() or None, headers=_HEADERS, visible=many)
    files = save_labels(session)
    return *_draw(session, name, style, opacity), table, gr.File(files or None, visible=bool(files))


def _draw(session: Session, name: str | None, style: str, opacity: float) -> tuple[Any, ...]:
    """Values of the summary and both pictures."""
    names = session.names()
    failures = "".join(f"<div class='failure'>{html.escape(text)}</div>" for _, text in session.failures)
    if not names:
        return failures or _EMPTY, None, None
    result = session.results[names.index(name) if name in names else 0]
    display, drawn = render(result, style=style, opacity=opacity)
    return summary_html(result) + failures, display, drawn
