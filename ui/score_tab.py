"""The tab that scores: the nuclei at hand beside true ones that the visitor drops."""

import html
from typing import Any

import gradio as gr

from segmentation.comparison import LEGEND, Comparison, compare, draw_comparison
from segmentation.isolated_reading import shared_reader
from segmentation.overlay import to_display
from segmentation.scores import THRESHOLDS
from ui.show import as_messages
from ui.store import Store

HELP = (
    "Drop the true nuclei of the picture that is open under **Segment**: one label image (each nucleus its own number "
    "or colour), one black and white mask, or a mask file for each nucleus (or a zip of them). The picture and "
    "the masks have the same size."
)


def build_score_tab(store: Store, visit: gr.Textbox, picker: gr.Dropdown) -> None:
    """Lay out the tab and wire its events, inside an open ``gr.Tab``."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            gr.Markdown(HELP)
            truth = gr.File(label="True nuclei", file_count="multiple", height=150, elem_id="truth")
            legend = "".join(
                f"<li><i style='background: rgb{entry.colour}'></i><b>{name}</b> {html.escape(entry.meaning)}</li>"
                for name, entry in LEGEND.items()
            )
            gr.HTML(f"<ul class='legend'>{legend}</ul>")
        with gr.Column(scale=3, min_width=320):
            verdict = gr.HTML("", elem_id="verdict")
            picture = gr.Image(
                label="What became of each nucleus",
                format="png",
                interactive=False,
                buttons=["fullscreen", "download"],
                visible=False,
                elem_id="comparison",
            )

    def score(key: str | None, name: str | None, paths: list[str] | None) -> tuple[Any, ...]:
        if not paths:
            return "", gr.Image(None, visible=False)
        with as_messages():
            found = store.get(key).of(name)
            if found is None:
                raise gr.Error("Open a picture under Segment first; its nuclei are what is scored.", duration=None)
            labels = found.labels
            read = shared_reader().truth(paths, labels.shape)
            compared = compare(labels, read.labels)
            drawn = draw_comparison(to_display(found.result.image), labels, read.labels, compared.classes)
        return verdict_html(found.name, compared, read.notes), gr.Image(drawn, visible=True)

    gr.on(
        [truth.upload, truth.clear, truth.delete],
        score,
        [visit, picker, truth],
        [verdict, picture],
        show_progress_on=[verdict],
        api_visibility="private",
        api_name="score_on_page",
        # Else files that are dropped while "clear" is still on its way would be ignored.
        trigger_mode="always_last",
        concurrency_limit=2,
    )


def verdict_html(name: str, compared: Comparison, notes: tuple[str, ...]) -> str:
    """Scores and causes of errors as tables."""
    errors = compared.errors
    ap = compared.average_precision
    heads = "".join(f"<th>{threshold:.2f}</th>" for threshold in THRESHOLDS)
    cells = "".join(f"<td>{value:.3f}</td>" for value in ap)
    fates = [
        (LEGEND[key].colour, key, getattr(errors, key))
        for key in ("found", "outline", "merged", "split", "missed", "spurious")
    ]
    counted = "".join(
        f"<li><i style='background: rgb{colour}'></i><b>{number:,}</b> {key}</li>" for colour, key, number in fates
    )
    told = "".join(f"<div class='note'>{html.escape(note)}</div>" for note in notes)
    return (
        f"<div class='count'>{errors.found:,} of {errors.nuclei:,} nuclei found</div>"
        f"<div class='detail'>{html.escape(name)}: {compared.predicted:,} predicted; foreground IoU "
        f"{compared.iou:.3f}, Dice {compared.dice:.3f}; Kaggle score (mean AP) {compared.kaggle_score:.3f}</div>{told}"
        f"<ul class='fates'>{counted}</ul>"
        f"<div class='scroll'><table><tr><th>IoU from</th>{heads}</tr><tr><th>AP</th>{cells}</tr></table></div>"
    )
