"""Results to take home, and the code that makes them again."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path

import gradio as gr

from segmentation.bundle import Bundle
from segmentation.exports import DEFAULT_FORMATS, FORMATS, run_record, write_all, zip_folder
from segmentation.instance_maps import DecodeParams
from segmentation.model_source import is_hub_id
from segmentation.training_folder import training_folder
from ui.models import Models, shown_magnification
from ui.session import Found, Session
from ui.show import as_messages
from ui.store import Store

NOTHING = "There is nothing to take home yet: segment a picture first."


def build_files_panel(models: Models, store: Store, visit: gr.Textbox, picker: gr.Dropdown) -> None:
    """Lay out the panel, inside an open column."""
    with gr.Accordion("Take the results home", open=True, elem_id="take-home"):
        formats = gr.CheckboxGroup(
            [(f"{key}: {entry.description}", key) for key, entry in FORMATS.items()],
            value=list(DEFAULT_FORMATS),
            show_label=False,
            elem_id="formats",
        )
        with gr.Row():
            one = gr.Button("Files of this picture", size="sm", elem_id="files-one")
            every = gr.Button("Files of all pictures", size="sm", elem_id="files-all")
            lesson = gr.Button("Training folder of all pictures", size="sm", elem_id="files-training")
        files = gr.File(
            label="Ready: all in one zip, or each alone",
            visible=False,
            interactive=False,
            file_count="multiple",
            elem_id="files",
        )
        with gr.Accordion("The same by Python or on the command line", open=False, elem_id="recipe"):
            code = gr.Code(language="python", interactive=False, lines=6, show_label=False, elem_id="code")
            command = gr.Code(language="shell", interactive=False, lines=2, show_label=False, elem_id="command")

    def write(key: str | None, name: str | None, chosen: list[str], everything: bool) -> tuple[gr.File, str, str]:
        with as_messages():
            session = store.get(key)
            found = session.found if everything else [each for each in (session.of(name),) if each]
            if not found or not chosen:
                raise gr.Error(NOTHING if not found else "Choose at least one kind of file.", duration=None)
            bundle, folder = models.segmenter(session.model).bundle, models.command(session.model)
            paths = write_files(session, found, bundle, folder, chosen)
        return gr.File([str(path) for path in paths], visible=True), *recipe(session, found[0], bundle, folder)

    def this_one(key: str | None, name: str | None, chosen: list[str]) -> tuple[gr.File, str, str]:
        return write(key, name, chosen, everything=False)

    def all_of_them(key: str | None, name: str | None, chosen: list[str]) -> tuple[gr.File, str, str]:
        return write(key, name, chosen, everything=True)

    def training(key: str | None, name: str | None, chosen: list[str]) -> tuple[gr.File, str, str]:
        with as_messages():
            session = store.get(key)
            if not session.found:
                raise gr.Error(NOTHING, duration=None)
            items = ((each.name, each.result.image.pixels, each.final().labels) for each in session.found)
            path = training_folder(session.place() / "training.zip", items)
            bundle, folder = models.segmenter(session.model).bundle, models.command(session.model)
        return gr.File([str(path)], visible=True), *recipe(session, session.found[0], bundle, folder)

    for button, action in ((one, this_one), (every, all_of_them), (lesson, training)):
        button.click(
            action,
            [visit, picker, formats],
            [files, code, command],
            show_progress_on=[files],
            api_visibility="private",
            concurrency_limit=2,
        )


def write_files(session: Session, found: list[Found], bundle: Bundle, model: str, formats: list[str]) -> list[Path]:
    """Write the files of each picture and one zip of them all into the session's folder; the zip comes first."""
    folder = session.place() / "results"
    paths: list[Path] = []
    for each in found:
        result = each.final()
        record = run_record(
            result,
            bundle,
            model=model if is_hub_id(model) else Path(model).name,
            accurate=session.accurate,
            channel=session.reading.channel,
            pixel_size=result.image.pixel_size,
        )
        record["picture"] |= {"sha256": each.sha256, "file_name": each.file_name}
        record["settings"]["projection"] = session.reading.projection
        record["corrections"] = [correction.to_json() for correction in each.history.corrections]
        paths += write_all(folder, each.name, result, each.measured(result.labels, full=True), record, formats)
    name = found[0].name if len(found) == 1 else "nucleoscope"
    return [zip_folder(paths, folder / f"{name}.zip"), *paths]


def recipe(session: Session, found: Found, bundle: Bundle, model: str) -> tuple[str, str]:
    """Python and shell that give the same nuclei, as far as no hand corrected them."""
    reading, params = session.reading, found.result.params
    own = asdict(bundle.decode)
    changed = {f.name: getattr(params, f.name) for f in fields(DecodeParams) if getattr(params, f.name) != own[f.name]}
    unasked = session.magnification == shown_magnification(bundle)
    options: dict[str, object] = {
        "channel": reading.channel,
        "projection": reading.projection,
        "accurate": session.accurate or None,
        "magnification": None if unasked else session.magnification,
    }
    given = {key: value for key, value in options.items() if value is not None}
    reads: dict[str, object] = {key: given.pop(key) for key in ("channel", "projection") if key in given}
    python = [
        "from dataclasses import replace",
        "",
        "from segmentation import Segmenter, read_images",
        "",
        f"segmenter = Segmenter.from_pretrained({model!r})",
        f"params = replace(segmenter.bundle.decode{_arguments(changed)})",
        f"for image in read_images({found.file_name!r}{_arguments(reads)}):",
        f"    result = segmenter(image, params{_arguments(given)})",
        "    print(result.image.name, result.count)",
    ]
    flags: dict[str, object] = {**changed, **reads, **given}
    shell = [f"python -m segmentation {shlex.quote(found.file_name)} --out results --model {shlex.quote(model)}"]
    for key, value in flags.items():
        flag = key.replace("_", "-")
        shell.append(f"--{flag}" if value is True else f"--no-{flag}" if value is False else f"--{flag} {value}")
    note = (
        "# Corrections by hand are not in it; the label image and run.json are.\n" if found.history.corrections else ""
    )
    return note + "\n".join(python), " ".join(shell)


def _arguments(values: Mapping[str, object]) -> str:
    return "".join(f", {key}={value!r}" for key, value in values.items())
