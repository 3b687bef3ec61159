"""What a visitor draws on a picture, as corrections."""

from typing import Any

from segmentation.corrections import Correction
from ui.session import Found

DONE = {"delete": "Deleted.", "merge": "Merged.", "split": "Split.", "draw": "Added."}


def apply_gesture(found: Found, drawn: dict[str, Any]) -> str:
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
