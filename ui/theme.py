"""How the page looks. System fonts only: a font from a server would tell that server who looks at pictures."""

import gradio as gr

_FONT = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]

CSS = """
#title h1 { margin-bottom: 0; font-weight: 650; letter-spacing: -0.02em; }
#title p { margin-top: 0.25rem; color: var(--neutral-600); }
#footnote p { color: var(--neutral-600); font-size: 0.85rem; text-align: center; }
#hint p { margin: 0.25rem 0 -0.5rem; color: var(--neutral-600); font-size: 0.9rem; }
#examples .grid-container { grid-template-columns: repeat(3, 1fr) !important; gap: 0.4rem; overflow: hidden; }
#examples .thumbnail-item { cursor: pointer; width: 100%; min-width: 0; }
#summary { min-height: 5.5rem; padding: 0; }
#summary .count { font-size: 2.6rem; font-weight: 650; line-height: 1.1; letter-spacing: -0.02em; }
#summary .detail { color: var(--neutral-600); }
#summary .note { margin-top: 0.25rem; }
#summary .failure { color: #b91c1c; margin-top: 0.25rem; }
.dark #title p, .dark #footnote p, .dark #hint p, .dark #summary .detail { color: var(--neutral-400); }
.dark #summary .failure { color: #fca5a5; }
#picture img, #overlay img { image-rendering: pixelated; width: 100%; }
"""


def theme() -> gr.themes.Base:
    """Quiet colours, so that the pictures are what stands out."""
    base = gr.themes.Base(primary_hue="teal", neutral_hue="slate", font=_FONT, font_mono=_MONO, radius_size="md")
    return base.set(
        body_background_fill="*neutral_50",
        block_label_background_fill="*background_fill_primary",
        block_label_text_color="*neutral_600",
        block_label_text_weight="500",
        block_title_text_color="*neutral_700",
        block_title_text_weight="600",
        block_border_width="1px",
        slider_color="*primary_600",
        button_primary_background_fill="*primary_600",
    )
