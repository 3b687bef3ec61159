"""index.html: overlays of a batch to look through, in static pages that need nothing but the files beside them."""

from collections.abc import Iterable, Iterator
from functools import partial
from html import escape
from itertools import chain, islice
from pathlib import Path
from string import Template
from urllib.parse import quote

from segmentation.batch_ledger import THUMBNAILS
from segmentation.batch_outcome import Outcome, Page, Results, count_of
from segmentation.exports import FORMATS
from segmentation.writers import save

INDEX = "index.html"
PER_PAGE = 1000  # cards; a browser lays out so many without waiting
_TEMPLATE = Path(__file__).with_name("contact_sheet.html")


def write_contact_sheet(out: Path, results: Results, formats: Iterable[str]) -> Path:
    """``index.html``, and from the 1,001st picture on ``index_2.html`` and so on; those of a larger run before go.

    Each picture is a thumbnail that the browser loads when it comes into sight, with a link to its overlay.

    Args:
        out: the output folder, with ``thumbnails`` in it.
        results: the batch.
        formats: what was written; without overlays, the thumbnails link to themselves.

    Raises:
        OSError: if a file cannot be written.
    """
    totals = results.totals
    suffix = FORMATS["overlay"].suffix if "overlay" in formats else None
    count = max(-(-(totals.pictures + totals.failed) // PER_PAGE), 1)
    template = Template(_TEMPLATE.read_text(encoding="utf-8"))
    lead = f"{count_of(totals.nuclei, 'nucleus')} in {count_of(totals.pictures, 'picture')}"
    failed = f", {count_of(totals.failed, 'file')} failed" if totals.failed else ""
    cards = chain.from_iterable(_cards(outcome, suffix) for outcome in results)
    for number in range(1, count + 1):
        page = template.substitute(
            heading=escape(out.resolve().name),
            lead=escape(f"{lead}{failed}. The table of all: summary.csv."),
            pages=_pages(number, count),
            cards="\n".join(islice(cards, PER_PAGE)),
        )
        save(out / _name(number), partial(Path.write_text, data=page, encoding="utf-8", newline="\n"))
    number = count + 1
    while (left_over := out / _name(number)).exists():
        left_over.unlink()
        number += 1
    return out / INDEX


def _name(number: int) -> str:
    return INDEX if number == 1 else f"index_{number}.html"


def _pages(number: int, count: int) -> str:
    """Links to the other pages; nothing where there is one."""
    if count == 1:
        return ""
    links = (f"<b>{n}</b>" if n == number else f'<a href="{_name(n)}">{n}</a>' for n in range(1, count + 1))
    return f"<nav>Page {' '.join(links)}</nav>"


def _cards(outcome: Outcome, suffix: str | None) -> Iterator[str]:
    for page in outcome.pages:
        yield _card(page, suffix)
    if outcome.error:
        yield (
            f'<figure class="failed" data-name="{escape(outcome.stem)}" data-nuclei="-1"><figcaption>'
            f"{escape(outcome.stem)}<small>{escape(outcome.error)}</small></figcaption></figure>"
        )


def _card(page: Page, suffix: str | None) -> str:
    thumbnail = quote(f"{THUMBNAILS}/{page.image}.jpg")
    link = thumbnail if suffix is None else quote(f"{page.image}{suffix}")
    name = escape(page.image)
    notes = f"<small>{escape(page.notes)}</small>" if page.notes else ""
    return (
        f'<figure data-name="{name}" data-nuclei="{page.nuclei}"><a href="{link}">'
        f'<img src="{thumbnail}" alt="Outlines on {name}" loading="lazy" decoding="async"></a>'
        f"<figcaption>{name}<small>{count_of(page.nuclei, 'nucleus')}, "
        f"{page.width_px:,} x {page.height_px:,}</small>{notes}</figcaption></figure>"
    )
