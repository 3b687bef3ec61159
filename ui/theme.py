"""How the page looks. System fonts only: a font from a server would tell that server who looks at pictures."""

from pathlib import Path

import gradio as gr

_FONT = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]

CSS = (Path(__file__).resolve().parent / "static" / "page.css").read_text(encoding="utf-8")


def theme() -> gr.themes.Base:
    """Quiet colours, so that the pictures are what stands out."""
    base = gr.themes.Base(primary_hue="teal", neutral_hue="slate", font=_FONT, font_mono=_MONO, radius_size="md")
    return base.set(
        body_background_fill="*neutral_50",
        # Gradio's own are too faint to read at small sizes.
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        block_label_background_fill="*background_fill_primary",
        block_label_text_color="*neutral_600",
        block_label_text_weight="500",
        block_title_text_color="*neutral_700",
        block_title_text_weight="600",
        block_border_width="1px",
        slider_color="*primary_600",
        button_primary_background_fill="*primary_600",
    )


# Words that Gradio 6.31 asks for and does not have: their keys would be read out.
WORDS = gr.I18n(en={"common.upload": "Add more files"})
