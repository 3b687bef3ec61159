"""The page's actions for programs: named endpoints with types, for gradio_client and as MCP tools.

Each takes files and plain values and gives files and plain values; nothing is kept between two calls.
"""

import json
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gradio as gr
import tifffile

from segmentation.comparison import compare
from segmentation.corrections import Correction, apply, renumbered
from segmentation.exports import FORMATS, run_record, write_all, write_table, zip_folder
from segmentation.image_info import describe as describe_file
from segmentation.image_io import read_image, read_images
from segmentation.measurements import measure as measure_nuclei
from segmentation.pixel_size import PixelSize
from segmentation.scores import THRESHOLDS
from segmentation.segmenter import Segmenter
from segmentation.truth_io import read_truth
from segmentation.writers import free_name, write_labels
from ui.show import as_messages


class Api:
    """The endpoints of one model; each method is one, under its own name."""

    def __init__(self, segmenter: Segmenter, model: str) -> None:
        self._segmenter, self._model = segmenter, model
        # Gradio copies what is returned; the oldest folder is removed when a new one pushes it out.
        self._folders: deque[tempfile.TemporaryDirectory[str]] = deque(maxlen=32)

    def _folder(self) -> Path:
        self._folders.append(tempfile.TemporaryDirectory(prefix="nucleoscope-"))
        return Path(self._folders[-1].name)

    def describe(self, picture: str) -> dict[str, Any]:
        """Say what a picture file holds: size, channels, bit depth, pages, pixel size."""
        with as_messages():
            info = describe_file(Path(picture))
        return {**json.loads(json.dumps(asdict(info), default=str)), "sentence": info.sentence()}

    def segment(
        self,
        picture: str,
        threshold: float | None,
        separation: float | None,
        min_area: int | None,
        max_area: int | None,
        drop_border: bool | None,
        channel: str,
        pixel_size: float | None,
        accurate: bool,
        magnification: float | None,
        formats: list[str],
    ) -> tuple[dict[str, Any], str]:
        """Find every nucleus in a picture, on every page of it; empty values are the model's own, or the file's.

        Gives the number of nuclei and the settings of each page, and a zip with the files that ``formats`` names.
        """
        given: dict[str, Any] = {
            "threshold": threshold,
            "separation": separation,
            "min_area": min_area,
            "max_area": max_area,
            "drop_border": drop_border,
        }
        bundle = self._segmenter.bundle
        folder, paths, pages, taken = self._folder(), [], [], set[str]()
        with as_messages():
            params = replace(bundle.decode, **{key: value for key, value in given.items() if value is not None})
            size = PixelSize(pixel_size, pixel_size) if pixel_size else None
            taken_channel = int(channel) if channel.isdecimal() else channel or None
            for page in read_images(Path(picture), channel=taken_channel):
                image = replace(page, pixel_size=size) if size else page
                result = self._segmenter(image, params, accurate=accurate, magnification=magnification)
                record = run_record(
                    result,
                    bundle,
                    model=self._model,
                    accurate=accurate,
                    magnification=magnification,
                    channel=taken_channel,
                    pixel_size=image.pixel_size,
                    source=Path(picture),
                )
                table = measure_nuclei(
                    result.labels,
                    image.pixels,
                    pixel_size=image.pixel_size,
                    channel_names=image.channel_names or None,
                    full=True,
                )
                paths += write_all(folder, free_name(image.name, taken), result, table, record, formats)
                pages.append({"name": image.name, "nuclei": result.count, **record["settings"]})
            archive = zip_folder(paths, folder / "results.zip")
        return {"nuclei": sum(page["nuclei"] for page in pages), "pages": pages}, str(archive)

    def measure(self, picture: str, labels: str, pixel_size: float | None) -> str:
        """Measure the nuclei of a label image on their picture; gives a CSV file with a row for each."""
        with as_messages():
            image = read_image(Path(picture))
            size = PixelSize(pixel_size, pixel_size) if pixel_size else image.pixel_size
            truth = read_truth([labels], image.shape)
            table = measure_nuclei(truth.labels, image.pixels, pixel_size=size, full=True)
        return str(write_table(self._folder() / "nuclei.csv", table))

    def score(self, labels: str, truth: str) -> dict[str, Any]:
        """Score a label image against the true one: IoU, Dice, average precision, and what became of each nucleus."""
        with as_messages():
            shape = read_image(Path(labels), channel=0).shape
            preds, target = read_truth([labels], shape), read_truth([truth], shape)
            compared = compare(preds.labels, target.labels)
        precision = compared.average_precision.tolist()
        return {
            "iou": compared.iou,
            "dice": compared.dice,
            "kaggle": compared.kaggle_score,
            "ap": {f"{threshold:.2f}": value for threshold, value in zip(THRESHOLDS, precision, strict=True)},
            "nuclei": compared.errors.nuclei,
            "predicted": compared.predicted,
            **asdict(compared.errors),
        }

    def correct(self, labels: str, corrections: list[dict[str, Any]]) -> tuple[int, str]:
        """Correct a label image by a list of {"kind": "delete", "merge", "split" or "draw", "labels", "points"}.

        Points are (y, x) in pixels. Gives the number of nuclei and the label image, numbered without gaps.
        """
        with as_messages():
            array = tifffile.imread(labels) if labels.lower().endswith((".tif", ".tiff")) else None
            array = read_image(Path(labels), channel=0).pixels[..., 0] if array is None else array
            for correction in corrections or []:
                array = apply(array, Correction.from_json(correction))
            final = renumbered(array)
        path = self._folder() / "corrected_labels.tif"
        return int(final.max()), str(write_labels(path, final))

    def model(self) -> dict[str, Any]:
        """Tell about the model: network, decode parameters, training and scores."""
        bundle = self._segmenter.bundle
        return {
            "name": self._model,
            "revision": bundle.revision,
            "maps": list(bundle.maps),
            "decode": asdict(bundle.decode),
            "magnification": bundle.magnification,
            "training": bundle.training,
            "scores": bundle.scores,
        }


def build_api(segmenter: Segmenter, model: str) -> None:
    """Register the endpoints, inside an open ``gr.Blocks``; nothing of it is seen on the page."""
    api, own = Api(segmenter, model), segmenter.bundle
    decode = own.decode
    with gr.Column(visible=False):

        def endpoint(action: Callable[..., Any], inputs: list[Any], outputs: list[Any]) -> None:
            name = action.__name__
            gr.Button(name).click(action, inputs, outputs, api_name=name, concurrency_id="model", concurrency_limit=1)

        def number(label: str, value: float | None = None) -> gr.Number:
            return gr.Number(value, label=label)

        endpoint(api.describe, [gr.File(label="picture")], [gr.JSON(label="description")])
        endpoint(
            api.segment,
            [
                gr.File(label="picture"),
                number("threshold", decode.threshold),
                number("separation", decode.separation),
                gr.Number(decode.min_area, label="min_area", precision=0),
                gr.Number(decode.max_area, label="max_area", precision=0),
                gr.Checkbox(decode.drop_border, label="drop_border"),
                gr.Textbox("", label="channel"),
                number("pixel_size", 0),
                gr.Checkbox(False, label="accurate"),
                number("magnification", own.magnification),
                gr.CheckboxGroup(list(FORMATS), value=["labels", "overlay", "csv", "run"], label="formats"),
            ],
            [gr.JSON(label="result"), gr.File(label="files")],
        )
        endpoint(
            api.measure,
            [gr.File(label="picture"), gr.File(label="labels"), number("pixel_size", 0)],
            [gr.File(label="measurements")],
        )
        endpoint(api.score, [gr.File(label="labels"), gr.File(label="truth")], [gr.JSON(label="scores")])
        endpoint(
            api.correct,
            [gr.File(label="labels"), gr.JSON(label="corrections")],
            [gr.Number(label="nuclei"), gr.File(label="labels")],
        )
        endpoint(api.model, [], [gr.JSON(label="model")])
