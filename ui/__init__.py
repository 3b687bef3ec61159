"""The web page: one file a tab, on Gradio."""
