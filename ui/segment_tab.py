"""The tab that segments: drop pictures, look, adjust, correct, measure, take the results home."""

from functools import partial
from typing import Any

import gradio as gr

from ui.actions import Actions
from ui.checks import check_run
from ui.controls import build_controls, understand
from ui.examples import write_examples
from ui.files_panel import build_files_panel
from ui.hub_panel import fetch_model, list_hub
from ui.models import Models
from ui.show import EMPTY, HEADERS
from ui.store import Store
from ui.workbench import closeup_payload, workbench

# Two pictures in the network together take longer than one after the other.
# Pictures take turns in the network (ui/serving_work.py); how many requests may do so is said by --visits.
MODEL: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}
# A component tells of its change while others that change with it, by a reload or another model, are still as before:
# Gradio sets them one after the other. What follows this reads the page when all of them are in their place.
SETTLED = "() => new Promise((done) => setTimeout(done, 30))"
LIVE: dict[str, Any] = {"trigger_mode": "always_last", "show_progress": "hidden", "concurrency_limit": 4}


def build_segment_tab(models: Models, store: Store, page: gr.Blocks) -> tuple[gr.Textbox, gr.Dropdown, gr.Dropdown]:
    """Lay out the tab and wire its events, inside an open ``gr.Blocks``.

    Returns:
        The visitor's key, the picker of a picture, and that of a model.
    """
    actions = Actions(models, store)

    def closeup(asked: dict[str, Any]) -> dict[str, Any] | None:
        session = store.find(str(asked.get("key", "")))
        found = session.of(str(asked.get("name", ""))) if session else None
        if found is None or found.name != asked.get("name"):
            return None  # forgotten; the reduced copy stays
        return closeup_payload(found.displayed(), found.labels, found.result.foreground, asked)

    # The key is kept by the tab of the browser, so a reload brings everything back, and another tab is another visit.
    visit = gr.Textbox(visible="hidden", elem_id="visit")
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            c = build_controls(models)
        with gr.Column(scale=4, min_width=320):
            summary = gr.HTML(EMPTY, elem_id="summary")
            cancel = gr.Button("Stop after what is done", size="sm", visible=False, elem_id="cancel")
            picker = gr.Dropdown([], label="Picture", visible=False, elem_id="picker", interactive=True)
            problems = gr.HTML("", elem_id="problems")
            bench = workbench(closeup)
            gallery = gr.Gallery(
                label="All pictures",
                visible=False,
                columns=6,
                height=190,
                allow_preview=False,
                object_fit="contain",
                interactive=False,
                buttons=[],
                elem_id="gallery",
            )
            table = gr.Dataframe(
                headers=HEADERS, interactive=False, visible=False, wrap=True, label="All pictures", elem_id="table"
            )
            build_files_panel(models, store, visit, picker)

    shown: list[Any] = [summary, bench, problems, table, gallery]
    network = [c.model, c.channel, c.projection, c.pixel_size, c.accurate, c.magnification]
    everything: list[Any] = [visit, c.drop, *network, *c.knobs]
    results: list[Any] = [visit, cancel, picker, *shown]

    understood = [c.understood, c.reading, c.channel, c.projection, c.pixel_size]
    slow: dict[str, Any] = {"outputs": results, "show_progress_on": [summary], "api_visibility": "private", **MODEL}

    page.load(
        actions.restore,
        visit,
        [visit, c.model, c.card, *c.knobs, c.magnification, c.accurate, *understood, picker, *shown],
        js="() => [sessionStorage.getItem('nucleoscope-visit') || '']",
        api_visibility="private",
    ).then(
        None, None, None, js="() => { document.body.dataset.restored = 'yes'; }"
    )  # what watches the page waits for it
    visit.change(None, visit, None, js="key => { sessionStorage.setItem('nucleoscope-visit', key); }")

    dropped = gr.on(
        [c.drop.upload, c.drop.clear, c.drop.delete],
        understand,
        c.drop,
        understood,
        api_visibility="private",
        **LIVE,
    )
    clicked = c.examples.select(_example, None, c.drop, show_progress="hidden", api_visibility="private").then(
        understand, c.drop, understood, api_visibility="private", show_progress="hidden"
    )
    runs = [event.then(actions.run, everything, validator=check_run, **slow) for event in (dropped, clicked)]
    again = _settled(c.channel.input, c.projection.input, c.accurate.input, c.magnification.change)
    runs.append(again.then(actions.rerun, everything, trigger_mode="always_last", **slow))
    live = {"api_visibility": "private", **LIVE}
    _settled(*(knob.change for knob in c.knobs)).then(actions.adjust, [visit, picker, *c.knobs], shown, **live)
    c.pixel_size.input(actions.resize, [visit, picker, c.pixel_size], [summary, bench], **live)
    picker.input(actions.pick, [visit, picker], [summary, bench], **live)
    gallery.select(actions.choose, visit, picker, **live).then(
        actions.pick, [visit, picker], [summary, bench], api_visibility="private", show_progress="hidden"
    )
    bench.correct(
        actions.correct,
        [visit, picker],
        shown,
        show_progress="hidden",
        api_visibility="private",
        api_name="correct_by_hand",
    )
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    c.reset.click(actions.defaults, c.model, [*c.knobs, c.magnification], **quiet)
    chosen = c.model.input(actions.choose_model, c.model, [c.card, *c.knobs, c.magnification], **quiet)
    runs.append(chosen.then(actions.rerun, everything, **slow))
    c.hub.listing.click(list_hub, None, c.hub.model_id, api_visibility="private", concurrency_limit=2)
    fetched = c.hub.fetch.click(
        partial(fetch_model, models), c.hub.model_id, c.model, api_visibility="private", concurrency_limit=2
    ).success(actions.choose_model, c.model, [c.card, *c.knobs, c.magnification], **quiet)
    runs.append(fetched.success(actions.rerun, everything, **slow))
    cancel.click(actions.stop, visit, cancel, cancels=runs, api_visibility="private")
    return visit, picker, c.model


def _settled(*events: Any) -> Any:
    return gr.on(list(events), None, js=SETTLED, api_visibility="private")


def _example(event: gr.SelectData) -> list[str]:
    return [write_examples()[event.index][0]]
