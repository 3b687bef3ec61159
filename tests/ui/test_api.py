"""The named endpoints, called as programs call them."""

import zipfile
from pathlib import Path

import httpx2
import numpy as np
import pandas as pd
import pytest
import tifffile
from gradio_client import Client, handle_file

from segmentation import Segmenter
from segmentation.measurements import measure


@pytest.fixture(scope="module")
def client(url: str) -> Client:
    return Client(url, verbose=False)


def test_every_action_is_named_and_documented(client: Client) -> None:
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert set(endpoints) == {
        "/describe",
        "/segment",
        "/measure",
        "/score",
        "/correct",
        "/model",
        "/look_inside",
    }
    for name, endpoint in endpoints.items():
        assert endpoint.get("description"), name
        for parameter in endpoint["parameters"]:
            assert parameter["python_type"]["type"], name
    named = [parameter["parameter_name"] for parameter in endpoints["/segment"]["parameters"]]
    assert named[:4] == ["picture", "threshold", "separation", "min_area"]


def test_from_picture_to_score(
    client: Client, pictures: tuple[Path, Path], segmenter: Segmenter, tmp_path: Path
) -> None:
    expected = segmenter(pictures[0])
    told = client.predict(picture=handle_file(pictures[0]), api_name="/describe")
    assert (told["width"], told["height"], told["bits"]) == (260, 200, 16)
    result, archive = client.predict(picture=handle_file(pictures[0]), formats=["labels", "csv"], api_name="/segment")
    assert result["nuclei"] == expected.count
    with zipfile.ZipFile(archive) as file:
        assert sorted(file.namelist()) == ["cells_labels.tif", "cells_nuclei.csv"]
        file.extractall(tmp_path)
    labels = tmp_path / "cells_labels.tif"
    np.testing.assert_array_equal(tifffile.imread(labels), expected.labels)
    csv = client.predict(picture=handle_file(pictures[0]), labels=handle_file(labels), api_name="/measure")
    pd.testing.assert_frame_equal(pd.read_csv(csv), measure(expected.labels, expected.image.pixels, full=True))
    deleted = [{"kind": "delete", "labels": [1], "points": []}]
    count, corrected = client.predict(labels=handle_file(labels), corrections=deleted, api_name="/correct")
    assert count == expected.count - 1
    scores = client.predict(labels=handle_file(corrected), truth=handle_file(labels), api_name="/score")
    assert (scores["found"], scores["missed"], scores["spurious"]) == (count, 1, 0)
    assert scores["ap"]["0.50"] == pytest.approx(count / expected.count)
    settings = client.predict(picture=handle_file(pictures[0]), threshold=0.95, min_area=300, api_name="/segment")[0]
    assert settings["pages"][0]["decode"]["min_area"] == 300
    assert settings["nuclei"] < expected.count


def test_errors_are_sentences(client: Client, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("no picture")
    with pytest.raises(Exception, match=r"bad.png: not a picture"):
        client.predict(picture=handle_file(tmp_path / "bad.png"), api_name="/segment")


def test_levels_of_the_network(client: Client, pictures: tuple[Path, Path], segmenter: Segmenter) -> None:
    told, maps = client.predict(picture=handle_file(pictures[0]), api_name="/look_inside")
    assert told["parameters"] == sum(each.numel() for each in segmenter.bundle.network.parameters())
    assert sum(level["parameters"] for level in told["levels"]) == told["parameters"]
    with np.load(maps) as levels:
        assert [list(each.shape) for each in levels.values()] == [level["shape"] for level in told["levels"]]


def test_another_model_and_a_projection(
    client: Client, pictures: tuple[Path, Path], project_root: Path, tmp_path: Path
) -> None:
    slide = Segmenter.from_pretrained(project_root / "checkpoints" / "slide", "cpu")
    told = client.predict(model="slide", api_name="/model")
    assert (told["revision"], told["models"]) == (slide.bundle.revision, ["nuclei", "slide"])
    cells = tifffile.imread(pictures[0])
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([cells, cells // 2]), imagej=True, metadata={"axes": "ZYX"})
    asked = {"picture": handle_file(tmp_path / "stack.tif"), "projection": "max", "model": "slide", "magnification": 0}
    result, _ = client.predict(**asked, threshold=slide.bundle.decode.threshold, api_name="/segment")
    assert [page["name"] for page in result["pages"]] == ["stack_max"]
    with pytest.raises(Exception, match="unheard: no such model here"):
        client.predict(model="unheard", api_name="/model")


def test_model_tells_its_card(client: Client, segmenter: Segmenter) -> None:
    told = client.predict(api_name="/model")
    assert told["revision"] == segmenter.bundle.revision
    assert told["scores"]


def test_too_few_values_are_told_by_name(url: str) -> None:
    begun = httpx2.post(f"{url}gradio_api/call/measure", json={"data": [None]}, timeout=60).json()["event_id"]
    told = httpx2.get(f"{url}gradio_api/call/measure/{begun}", timeout=60).text
    assert "/measure takes 3 values and got 1: give labels, pixel_size too, in this order" in told
    assert "went wrong" not in told
