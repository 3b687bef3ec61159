"""What is done with a case: everything that users can do with such a file, and checks that hold for any result."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segmentation.corrections import Correction, History, apply, renumbered
from segmentation.errors import NucleoscopeError
from segmentation.image_info import describe
from segmentation.image_io import MicroscopyImage, read_images
from segmentation.picture_sources import expand
from segmentation.truth_io import read_labels, read_truth
from tests.fuzz.bundles import good_bundle, make_bundle
from tests.fuzz.cases import FuzzCase, make_file
from tests.fuzz.payloads import corrections, make_payload
from tests.fuzz.seeds import LABELS, SHAPE
from tests.segmentation.corpus_tools import Case as CorpusCase

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST = 1500  # characters of a sentence
_PAGES = 40  # of a stack, before the rest is left
_STATE: dict[str, Any] = {}


class WrongResult(Exception):
    """A result that is no result."""


def run(case: FuzzCase, folder: Path) -> None:
    """Do all that can be done with a case.

    Args:
        case: to run.
        folder: empty, for its files; what is wrong is kept there.

    Raises:
        NucleoscopeError: as it may.
        Exception: a bug.
    """
    if case.kind == "bundle":
        _bundle(case, folder)
    elif case.kind == "api":
        _api(case, folder)
    elif case.kind == "corrections":
        _corrections(case)
    else:
        ending, data, whole = make_file(case)
        path = folder / f"case{ending}"
        path.write_bytes(data)
        if case.kind == "truth":
            _truth(path)
        elif case.kind == "zip":
            _zip(path, folder / "unpacked")
        else:
            _picture(path, whole)


def prepare(kind: str) -> bool:
    """Load what cases of a kind need, once; whether that was done now."""
    if kind == "bundle" and "bundle" not in _STATE:
        from segmentation.segmenter import Segmenter

        _STATE["bundle"] = Segmenter.from_pretrained(_good(), "cpu", engine="pytorch")
        _STATE["bundle"](np.zeros((32, 48), np.uint8))
        return True
    if kind == "api" and "api" not in _STATE:
        from segmentation.isolated_reading import shared_reader
        from ui.api import Api
        from ui.models import Models

        _STATE["api"] = Api(Models([_good()], "cpu", hub=False, engine="pytorch"))
        shared_reader().warm()
        _STATE["api"].model("")
        return True
    return False


def check_sentence(error: NucleoscopeError) -> None:
    """An error for users is one line that says something, and nothing of the program's inside."""
    text = str(error)
    if not 10 < len(text) <= _LONGEST or _CONTROL.search(text) or re.search(r"Traceback|0x[0-9a-f]{6,}|<class", text):
        raise WrongResult(f"no sentence for users: {text[:300]!r}")


def _picture(path: Path, whole: CorpusCase | None) -> None:
    problems: list[NucleoscopeError] = []
    if whole is not None:
        pages = list(read_images(path, channel=whole.channel))
        if len(pages) != len(whole.pages):
            raise WrongResult(f"{len(pages)} pages of {len(whole.pages)}")
        for page, pixels in zip(pages, whole.pages, strict=True):
            expected = pixels if pixels.ndim == 3 else pixels[..., None]
            if page.pixels.shape != expected.shape or np.abs(page.pixels - 1.0 * expected).max() > whole.within:
                raise WrongResult("other pixels than the file's")
        return
    told = None
    for attempt in (None, "channel", "projection"):
        try:
            if attempt is None:
                told = describe(path)
                told.sentence()
            chosen: dict[str, Any] = {"channel": 0} if attempt == "channel" else {}
            chosen |= {"projection": "max"} if attempt == "projection" else {}
            for number, page in enumerate(read_images(path, **chosen)):
                check_page(page)
                if told is not None and page.shape != (told.height, told.width):
                    raise WrongResult(f"{page.shape} of {told}")
                if number >= _PAGES:
                    break
        except NucleoscopeError as error:
            check_sentence(error)
            problems.append(error)
            if _out_of_memory(error):
                raise
    if problems:
        raise problems[0]


def check_page(page: MicroscopyImage) -> None:
    """What holds for every picture that is read."""
    pixels = page.pixels
    fine = pixels.ndim == 3 and pixels.shape[2] in (1, 3) and 0 not in pixels.shape and pixels.dtype.kind in "uif"
    if not fine or not np.isfinite(pixels).all() or not pixels.dtype.isnative:
        raise WrongResult(f"no picture: {pixels.shape} {pixels.dtype}")
    if page.pixel_size is not None and not all(0 < each < 1e5 for each in page.pixel_size):
        raise WrongResult(f"no pixel size: {page.pixel_size}")
    if len(page.channel_names) not in (0, pixels.shape[2]) or any(_CONTROL.search(note) for note in page.notes):
        raise WrongResult(f"names or notes: {page.channel_names}, {page.notes}")


def check_labels(labels: NDArray) -> None:
    """What holds for every label image."""
    if labels.ndim != 2 or labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
        raise WrongResult(f"no labels: {labels.shape} {labels.dtype}")


def _truth(path: Path) -> None:
    problems: list[NucleoscopeError] = []
    for read in (
        lambda: read_truth([path], SHAPE).labels,
        lambda: read_truth([path, path], SHAPE).labels,
        lambda: read_labels(path),
    ):
        try:
            check_labels(read())
        except NucleoscopeError as error:
            check_sentence(error)
            problems.append(error)
    if problems:
        raise problems[0]


def _zip(path: Path, folder: Path) -> None:
    problems: list[NucleoscopeError] = []
    try:
        for _, picture in expand([path], folder):
            if folder.resolve() not in picture.resolve().parents or picture.is_symlink():
                raise WrongResult(f"unpacked to {picture}")
    except NucleoscopeError as error:
        problems.append(error)
        if folder.exists() and any(folder.iterdir()):
            raise WrongResult("something stayed of a zip that was refused") from error
    try:
        check_labels(read_truth([path], SHAPE).labels)
    except NucleoscopeError as error:
        problems.append(error)
    for problem in problems:
        check_sentence(problem)
    if problems:
        raise problems[0]


def _bundle(case: FuzzCase, folder: Path) -> None:
    from segmentation.bundle import Bundle
    from segmentation.segmenter import Segmenter

    for name, data in make_bundle(case.random(), case.mutation, _good()).items():
        (folder / name).write_bytes(data)
    bundle = Bundle.load(folder)
    maps = Segmenter(bundle, "cpu", "pytorch").predict_maps(MicroscopyImage(np.zeros((32, 48, 1), np.uint8), "a"))
    if maps.shape != (len(bundle.maps), 32, 48):
        raise WrongResult(f"maps of {maps.shape}")


def _api(case: FuzzCase, folder: Path) -> None:
    import gradio as gr

    prepare(case.kind)
    sent = make_payload(case.random(), case.mutation, folder)
    try:
        getattr(_STATE["api"], case.mutation)(**sent)
    except gr.Error as error:
        if not isinstance(error.__cause__, NucleoscopeError):
            raise
        raise error.__cause__ from error.__cause__.__cause__


def _corrections(case: FuzzCase) -> None:
    rng = case.random()
    labels = LABELS.astype(("uint8", "uint16", "uint32", "int32")[rng.integers(4)])
    history, problems = History(labels), []
    for value in corrections(rng):
        try:
            correction = Correction.from_json(value)
            labels = apply(labels, correction)
            check_labels(renumbered(labels))
            history = history.done(correction)
        except NucleoscopeError as error:
            check_sentence(error)
            problems.append(error)
    if not np.array_equal(history.labels, labels):
        raise WrongResult("the history's labels are others")
    if history.can_undo:
        history.undo().redo()
    if problems:
        raise problems[0]


def _good() -> Path:
    return good_bundle(_STATE["folder"])


def set_folder(folder: Path) -> None:
    """Where this process keeps what all its cases use."""
    _STATE["folder"] = folder


def _out_of_memory(error: BaseException | None) -> bool:
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if isinstance(error, MemoryError):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False


def outcome_of(error: BaseException) -> str:
    """ "refused", or what kind of bug an exception is."""
    if _out_of_memory(error) or "reading it took more than" in str(error):
        return "memory"
    if "reading it took longer than" in str(error):
        return "slow"
    if "crashed its reader" in str(error) or "confused its reader" in str(error) or "unexpected fault" in str(error):
        return "crash"
    return "refused" if isinstance(error, NucleoscopeError) else "wrong" if isinstance(error, WrongResult) else "fault"


def limits_for(memory: int) -> dict[str, str]:
    """Limits for a server that gives a file so many bytes, as environment variables: 64 a pixel."""
    from segmentation.limits import Limits

    chosen = replace(
        Limits(),
        pixels=memory // 64,
        block=memory // 4,
        unpacked=memory // 4,
        mask_bytes=memory // 4,
        read_memory=memory,
        read_seconds=10,
        readers=1,
    )
    return chosen.to_environment()
