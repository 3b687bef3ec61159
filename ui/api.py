"""The page's actions for programs: named endpoints with types, for gradio_client and as MCP tools.

Each takes files and plain values and gives files and plain values; nothing is kept between two calls. Their docstrings
are what programs read: Gradio and MCP show them, parameter by parameter.
"""

import json
import tempfile
from collections import deque
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from segmentation.comparison import compare
from segmentation.corrections import apply, renumbered
from segmentation.exports import run_record, write_all, write_table, zip_folder
from segmentation.inspection import choose_part, inspect_part, layer_table
from segmentation.isolated_reading import shared_reader
from segmentation.limits import check_nuclei
from segmentation.measurements import measure as measure_nuclei
from segmentation.scores import THRESHOLDS
from segmentation.writers import free_name, write_labels
from ui.api_values import (
    channel_of,
    corrections_of,
    file_of,
    flag_of,
    names_of,
    number_of,
    pixel_size_of,
    text_of,
    whole_of,
)
from ui.models import Models
from ui.show import as_messages


class Api:
    """The endpoints; each method is one, under its own name."""

    def __init__(self, models: Models) -> None:
        self._models = models
        # Gradio copies what is returned; the oldest folder is removed when a new one pushes it out.
        self._folders: deque[tempfile.TemporaryDirectory[str]] = deque(maxlen=32)

    def _folder(self) -> Path:
        self._folders.append(tempfile.TemporaryDirectory(prefix="nucleoscope-"))
        return Path(self._folders[-1].name)

    def describe(self, picture: str) -> dict[str, Any]:
        """Say what a picture file holds: size, channels, bit depth, pages, pixel size.

        Args:
            picture: a PNG, JPEG, TIFF, OME-TIFF, BMP, GIF, DICOM or NumPy (.npy) file.
        """
        with as_messages():
            info = shared_reader().describe(file_of(picture, "picture"))
        return {**json.loads(json.dumps(asdict(info), default=str)), "sentence": info.sentence()}

    def segment(
        self,
        picture: str,
        threshold: float | None,
        separation: float | None,
        min_area: int | None,
        max_area: int | None,
        drop_border: bool | None,
        min_probability: float | None,
        channel: str,
        projection: str,
        pixel_size: float | None,
        accurate: bool,
        magnification: float | None,
        formats: list[str],
        model: str,
    ) -> tuple[dict[str, Any], str]:
        """Find every nucleus in a picture, on every page of it; empty values are the model's own, or the file's.

        Gives the number of nuclei and the settings of each page, and a zip with the files that are asked for.

        Args:
            picture: a PNG, JPEG, TIFF, OME-TIFF, BMP, GIF, DICOM or NumPy (.npy) file.
            threshold: foreground from this probability up, 0 to 1.
            separation: cut clumps at saddles this deep; 0 never cuts, lower values above 0 cut more.
            min_area: drop smaller objects, in pixels.
            max_area: drop larger objects, in pixels; 0 keeps all.
            drop_border: drop nuclei that the picture's border cuts.
            min_probability: drop objects of a lower mean probability, 0 to 1; 0 keeps all.
            channel: use this channel alone: its number from 0, or its name; empty takes grey or RGB whole.
            projection: "max" or "mean" of a stack's planes; empty takes each plane by itself.
            pixel_size: micrometres a pixel, down and across; 0 takes the file's word.
            accurate: average eight turned and mirrored views; takes eight times as long.
            magnification: of the picture before the network; 0 chooses it by the size of the nuclei.
            formats: files to put into the zip.
            model: name of a model that this page offers; empty takes the one it starts with.
        """
        folder, paths, pages, taken = self._folder(), [], [], set[str]()
        with as_messages():
            path, wanted = file_of(picture, "picture"), names_of(formats, "formats")
            segmenter = self._models.segmenter(text_of(model, "model"))
            bundle = segmenter.bundle
            given: dict[str, Any] = {
                "threshold": number_of(threshold, "threshold"),
                "separation": number_of(separation, "separation"),
                "min_area": whole_of(min_area, "min_area"),
                "max_area": whole_of(max_area, "max_area"),
                "drop_border": flag_of(drop_border, "drop_border"),
                "min_probability": number_of(min_probability, "min_probability"),
            }
            params = replace(bundle.decode, **{key: value for key, value in given.items() if value is not None})
            size, taken_channel = pixel_size_of(pixel_size), channel_of(channel)
            turned, factor = bool(flag_of(accurate, "accurate")), number_of(magnification, "magnification") or None
            planes: Any = text_of(projection, "projection")  # checked by the reader
            with closing(shared_reader().images(path, channel=taken_channel, projection=planes)) as images:
                for page in images:
                    image = replace(page, pixel_size=size) if size else page
                    result = segmenter(image, params, accurate=turned, magnification=factor)
                    check_nuclei(result.count, image.name)
                    record = run_record(
                        result,
                        bundle,
                        model=model or self._models.default,
                        accurate=turned,
                        channel=taken_channel,
                        pixel_size=image.pixel_size,
                        source=path,
                    )
                    table = measure_nuclei(
                        result.labels,
                        image.pixels,
                        pixel_size=image.pixel_size,
                        channel_names=image.channel_names or None,
                        full=True,
                    )
                    paths += write_all(folder, free_name(image.name, taken), result, table, record, wanted)
                    pages.append({"name": image.name, "nuclei": result.count, **record["settings"]})
            archive = zip_folder(paths, folder / "results.zip")
        return {"nuclei": sum(page["nuclei"] for page in pages), "pages": pages}, str(archive)

    def measure(self, picture: str, labels: str, pixel_size: float | None) -> str:
        """Measure the nuclei of a label image on their picture; gives a CSV file with a row for each.

        Args:
            picture: the picture, of one page.
            labels: label image of the same size: 0 the background, every nucleus a number of its own.
            pixel_size: micrometres a pixel, down and across; 0 takes the file's word.
        """
        with as_messages():
            image = shared_reader().image(file_of(picture, "picture"))
            size = pixel_size_of(pixel_size) or image.pixel_size
            truth = shared_reader().truth([file_of(labels, "labels")], image.shape)
            table = measure_nuclei(truth.labels, image.pixels, pixel_size=size, full=True)
        return str(write_table(self._folder() / "nuclei.csv", table))

    def score(self, labels: str, truth: str) -> dict[str, Any]:
        """Score a label image against the true one: IoU, Dice, average precision, and what became of each nucleus.

        Args:
            labels: label image to be judged.
            truth: the true label image, of the same size.
        """
        with as_messages():
            paths, reader = (file_of(labels, "labels"), file_of(truth, "truth")), shared_reader()
            shape = reader.image(paths[0], channel=0).shape
            preds, target = (reader.truth([path], shape) for path in paths)
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

        Args:
            labels: label image.
            corrections: done one after the other.
        """
        with as_messages():
            array = shared_reader().labels(file_of(labels, "labels"))
            for correction in corrections_of(corrections):
                array = apply(array, correction)
            final = renumbered(array)
        path = self._folder() / "corrected_labels.tif"
        return int(final.max()), str(write_labels(path, final))

    def look_inside(self, picture: str, model: str) -> tuple[dict[str, Any], str]:
        """Run the network on the part of a picture where most happens, and tell what each of its levels sees.

        Gives the part, the levels with their sizes and parameters, the total of these, and a NumPy archive (npz) with
        the feature maps of each level, channels first.

        Args:
            picture: the picture, of one page.
            model: name of a model that this page offers; empty takes the one it starts with.
        """
        with as_messages():
            segmenter = self._models.segmenter(text_of(model, "model"))
            part = choose_part(segmenter.bundle, shared_reader().image(file_of(picture, "picture")))
            levels = inspect_part(segmenter.bundle, part, segmenter.device)
        path = self._folder() / "levels.npz"
        arrays: dict[str, Any] = {level.name.lower().replace(" ", "_"): level.maps for level in levels}
        np.savez_compressed(path, **arrays)
        told: dict[str, Any] = {
            "part": {"top": part.rows.start, "left": part.columns.start, "shape": list(part.pixels.shape)},
            "levels": [
                {
                    "name": level.name,
                    "side": level.side,
                    "shape": list(level.maps.shape),
                    "parameters": level.parameters,
                }
                for level in levels
            ],
            "parameters": sum(row.parameters for row in layer_table(segmenter.bundle.stored)),
        }
        return told, str(path)

    def model(self, model: str) -> dict[str, Any]:
        """Tell about a model: decode parameters, training and scores, and which others there are.

        Args:
            model: name of a model that this page offers; empty takes the one it starts with.
        """
        with as_messages():
            bundle = self._models.segmenter(text_of(model, "model")).bundle
        return {
            "name": model or self._models.default,
            "models": self._models.names,
            "revision": bundle.revision,
            "maps": list(bundle.maps),
            "decode": asdict(bundle.decode),
            "magnification": bundle.magnification,
            "diameter": bundle.diameter,
            "training": bundle.training,
            "scores": bundle.scores,
        }
