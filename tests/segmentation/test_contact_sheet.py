"""index.html: every picture is there, names do no harm, nothing is asked of other hosts."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

import segmentation.contact_sheet
from segmentation import DecodeParams, MicroscopyImage
from segmentation.batch_outcome import Journal, Outcome, Page, Results
from segmentation.contact_sheet import write_contact_sheet
from segmentation.segmenter import Segmentation
from segmentation.thumbnails import THUMBNAIL, write_thumbnail
from tests.conftest import squares


class Reader(HTMLParser):
    """Collects tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, attribute: str) -> list[str]:
        return [values.get(attribute) or "" for name, values in self.tags if name == tag]


def sheet(out: Path, names: list[str], error: str = "", formats: tuple[str, ...] = ("overlay",)) -> list[Reader]:
    journal = Journal(out / "journal")
    for index, name in enumerate(names):
        page = Page(name, index, 10, 20, None, 1.0, None, None, 0.1, "")
        journal.add(Outcome(index, name, name, (page,), error if index == 0 else ""))
    journal.close()
    write_contact_sheet(out, Results([out / "journal"], len(names)), formats)
    return [Reader(path.read_text(encoding="utf-8")) for path in sorted(out.glob("index*.html"))]


def test_pictures_load_when_they_come_into_sight_and_link_to_their_overlays(tmp_path: Path) -> None:
    (reader,) = sheet(tmp_path, ["a", "deep/b c#1"])
    assert [unquote(source) for source in reader.all("img", "src")] == ["thumbnails/a.jpg", "thumbnails/deep/b c#1.jpg"]
    assert reader.all("img", "loading") == ["lazy"] * 2
    assert [unquote(link) for link in reader.all("a", "href")] == ["a_overlay.png", "deep/b c#1_overlay.png"]
    assert "#" not in "".join(reader.all("img", "src"))  # or the rest of the name would be lost
    (reader,) = sheet(tmp_path, ["a"], formats=("csv",))
    assert reader.all("a", "href") == ["thumbnails/a.jpg"]


def test_names_and_sentences_do_no_harm(tmp_path: Path) -> None:
    evil = "\"><script>alert('1')</script>&amp;${cards}$$"
    (reader,) = sheet(tmp_path, [evil], error=f"{evil}: damaged")
    assert len([tag for tag, _ in reader.tags if tag == "script"]) == 1  # the page's own
    assert reader.all("figure", "data-name") == [evil, evil]
    assert f"{evil}: damaged" in reader.text
    assert reader.all("figure", "class") == ["", "failed"]


def test_nothing_is_asked_of_other_hosts(tmp_path: Path) -> None:
    sheet(tmp_path, ["a"])
    text = (tmp_path / "index.html").read_text()
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)


def test_many_pictures_are_split_over_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation.contact_sheet, "PER_PAGE", 2)
    readers = sheet(tmp_path, list("abcde"))
    assert [len(reader.all("img", "src")) for reader in readers] == [2, 2, 1]
    assert {"index.html", "index_3.html"} < set(readers[1].all("a", "href"))
    (reader,) = sheet(tmp_path, list("ab"))  # the pages of the larger run are gone
    assert reader.all("img", "src") == ["thumbnails/a.jpg", "thumbnails/b.jpg"]


@pytest.mark.parametrize("shape", [(64, 96), (1, 1), (3, 2000), (1500, 900)], ids=str)
def test_thumbnails_are_small_and_show_outlines(tmp_path: Path, shape: tuple[int, int]) -> None:
    pixels = np.full((*shape, 1), 10, np.uint16)
    labels = np.zeros(shape, np.uint16)
    top, left, bottom, right = shape[0] // 4, shape[1] // 4, shape[0] // 2 + 1, shape[1] // 2 + 1
    labels[top:bottom, left:right] = 1
    pixels[labels > 0] = 4000
    result = Segmentation(
        MicroscopyImage(pixels, "a"), np.zeros((1, *shape)), ("foreground",), labels, DecodeParams(), 0
    )
    drawn = Image.open(write_thumbnail(tmp_path / "deep" / "a.jpg", result))
    assert max(drawn.size) == min(max(shape), THUMBNAIL)
    assert abs(drawn.size[0] / drawn.size[1] - shape[1] / shape[0]) <= max(1, shape[1] / shape[0]) * 0.7
    colours = np.asarray(drawn).astype(int)
    if min(shape) > 9:
        assert (colours.max(2) - colours.min(2) > 60).any()  # the picture is grey, the outline is not


def test_thumbnails_show_the_picture(tmp_path: Path) -> None:
    labels = np.zeros((64, 96), np.uint16)
    image = MicroscopyImage(squares()[..., None], "a")
    result = Segmentation(image, np.zeros((1, 64, 96)), ("foreground",), labels, DecodeParams(), 0)
    shown = np.asarray(Image.open(write_thumbnail(tmp_path / "a.jpg", result)).convert("L")).astype(int)
    np.testing.assert_allclose(shown > 127, squares() > 127)
