"""report.html: the test report as one static page that needs nothing but the files beside it."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import quote

import numpy as np

from lightning_modules.report_tables import CAUSES, PictureScores, Summary, size_names

_TEMPLATE = Path(__file__).with_name("report_page.html")
_MEANING = {
    "found": "Matched one to one, with an IoU of at least 0.5.",
    "outline": "Seen, but its outline is too far off.",
    "merged": "Swallowed together with a neighbour: half of both or more lie in one predicted nucleus.",
    "split": "Cut into pieces: two predicted nuclei or more lie at least half inside it.",
    "missed": "Less than a tenth of it is covered by any prediction.",
}
_PUBLISHED = (
    " Dashed and grey: what others have published for the fluorescence pictures of the same data, in the split of "
    "StarDist\u2019s authors. Those are not the pictures judged here, so small differences mean nothing. "
    "Mask R-CNN and StarDist: Schmidt et al., MICCAI 2018. PatchPerPix: Mais, Hirsch et al., ECCV 2020. "
    "EmbedSeg (at 0.5 alone): Lalit et al., Medical Image Analysis 2022."
)


@dataclass(frozen=True)
class WorstPicture:
    """One of the pictures with the lowest scores.

    Attributes:
        scores: of this picture.
        link: to its comparison, from :func:`page_link`.
    """

    scores: PictureScores
    link: str


def page_link(path: Path) -> str:
    """A path relative to the page as the page writes it: percent-encoded, hence safe inside an attribute."""
    return quote(os.fsencode(path.as_posix()))


def write_page(
    path: Path,
    summaries: Sequence[Summary],
    worst: Sequence[WorstPicture],
    about: Mapping[str, object],
    *,
    published: bool,
) -> None:
    """Write the page.

    Args:
        path: the file; ap_curve.png, ap_curve_dark.png and the CSV files lie beside it.
        summaries: of all pictures first, then of each kind.
        worst: the lowest score first.
        about: what was judged and with what, in words.
        published: whether the plot shows the scores of others.
    """
    everything = summaries[0]
    fluorescence = any(summary.kind == "fluorescence" for summary in summaries)
    curves = "fluorescence pictures, and all pictures" if fluorescence and len(summaries) > 2 else "all pictures"
    page = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        lead=escape(f"{_count(everything.pictures, 'picture')} with {_count(everything.nuclei, 'nucleus', 'nuclei')}"),
        figures=_figures(everything),
        scores=_scores(summaries),
        curves=escape(curves) + "." + (_PUBLISHED if published and fluorescence else ""),
        legend="".join(f'<li><i class="{cause}"></i>{cause}</li>' for cause in CAUSES),
        errors=_errors(summaries),
        meanings="".join(f"<dt>{cause}</dt><dd>{escape(_MEANING[cause])}</dd>" for cause in CAUSES),
        sizes=_sizes(everything),
        worst_title=escape(f"The {_count(len(worst), 'picture')} with the lowest scores") if worst else "",
        worst_hidden="" if worst else " hidden",
        worst="".join(_worst(rank, picture) for rank, picture in enumerate(worst, 1)),
        about="".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in about.items()),
    )
    path.write_text(page, encoding="utf-8", errors="backslashreplace")  # names may hold bytes that are no text


def _figures(summary: Summary) -> str:
    """The four numbers to look at first."""
    shown = {
        "Kaggle score": f"{summary.kaggle:.3f}",
        "nuclei found": _share(summary.errors.found, summary.nuclei),
        "AP at IoU 0.5": f"{summary.ap[0]:.3f}",
        "Dice": f"{summary.dice:.3f}",
    }
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in shown.items())


def _scores(summaries: Sequence[Summary]) -> str:
    rows = []
    for s in summaries:
        counts = [f"{number:,}" for number in (s.pictures, s.nuclei, s.predicted)]
        low, high = s.kaggle_interval
        kaggle = f"{s.kaggle:.3f}" + ("" if np.isnan(low) else f"<small>{low:.3f} to {high:.3f}</small>")
        others = (f"{value:.3f}" for value in (s.ap[0], s.ap[5], s.ap[8], s.iou, s.dice))
        rows.append(_row(s.kind, [*counts, kaggle, *others]))
    return "".join(rows)


def _errors(summaries: Sequence[Summary]) -> str:
    rows = []
    for s in summaries:
        counts = {cause: getattr(s.errors, cause) for cause in CAUSES}
        parts = "".join(
            f'<i class="{cause}" style="flex-grow:{count}"></i>' for cause, count in counts.items() if count
        )
        cells = [f"{count:,}<small>{_share(count, s.nuclei)}</small>" for count in counts.values()]
        bar = f'<td class="wide"><div class="bar">{parts}</div></td>'
        rows.append(_row(s.kind, [*cells, f"{s.errors.spurious:,}<small>of {s.predicted:,}</small>"], bar))
    return "".join(rows)


def _sizes(summary: Summary) -> str:
    rows = []
    for name, nuclei, found, recall in zip(
        size_names(), summary.sizes.nuclei, summary.sizes.found.T, summary.sizes.recall().T, strict=True
    ):
        bars = "".join(
            f'<div class="bar thin"><i class="{look}" style="width:{100 * np.nan_to_num(share):.1f}%"></i></div>'
            for look, share in zip(("found", "found strict"), recall, strict=True)
        )
        cells = [f"{nuclei:,}", *(f"{count:,}<small>{_share(count, nuclei)}</small>" for count in found)]
        rows.append(_row(name, cells, f'<td class="wide">{bars if nuclei else ""}</td>'))
    return "".join(rows)


def _worst(rank: int, picture: WorstPicture) -> str:
    s, name = picture.scores, escape(picture.scores.name)
    told = (
        f"{s.errors.found:,} of {_count(s.nuclei, 'nucleus', 'nuclei')} found, {s.predicted:,} predicted. "
        f"Kaggle score {s.kaggle:.3f}, AP at 0.5 {s.ap50:.3f}."
    )
    alt = f"{name}: the picture, true outlines, predicted outlines"
    return (
        f'<figure><figcaption><b>{rank}</b><span class="name" title="{name}">{name}</span>'
        f"<span>{escape(s.kind)}</span><span>{escape(told)}</span></figcaption>"
        f'<a href="{picture.link}"><img src="{picture.link}" alt="{alt}" loading="lazy"></a>'
        '<div class="panels"><span>picture</span><span>truth</span><span>prediction</span></div></figure>'
    )


def _row(name: str, cells: Iterable[str], last: str = "") -> str:
    return f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}{last}</tr>\n'


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "\u2013"


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
