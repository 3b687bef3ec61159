"""Segments a visitor's files, one after the other, and keeps what is known already."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from segmentation.corrections import History
from segmentation.errors import NucleoscopeError
from segmentation.isolated_reading import shared_reader
from segmentation.limits import check_nuclei
from segmentation.pixel_size import PixelSize
from segmentation.run_record import sha256_of
from segmentation.segmenter import Segmenter
from segmentation.writers import free_name
from ui.serving_work import note_error
from ui.session import Found, Session


def segment_files(
    session: Session,
    segmenter: Segmenter,
    paths: list[tuple[str, Path]],
    progress: Callable[[float, str], None],
    previous: Session | None = None,
) -> Iterator[None]:
    """Segment every page of every file into ``session``; yields after each file. A bad one is noted, the others go on.

    Args:
        session: says how, and takes results and failures; its ``params`` and pixel size may change under way.
        segmenter: the model.
        paths: (name, file).
        progress: called with the fraction done and what is being done.
        previous: session whose pictures, corrections included, are taken over rather than segmented again: it had the
            same settings, and one more file was dropped.
    """
    session.params = session.params or segmenter.bundle.decode
    reading, files = session.reading, list(previous.done) if previous else []
    taken = {found.name.lower() for found in session.found}
    for number, (name, path) in enumerate(paths):
        base, share = number / len(paths), 1 / len(paths)

        def report(
            done: float, base: float = base, share: float = share, number: int = number, name: str = name
        ) -> None:
            which = f" ({number + 1} of {len(paths)})" if len(paths) > 1 else ""
            progress(base + share * done, f"Segmenting {name}{which}")

        report(0.0)
        try:
            digest = sha256_of(path)
            same = (pages for pages in files if (pages[0].file_name, pages[0].sha256) == (name, digest))
            if kept := next(same, None):
                files.remove(kept)  # the same file may have been dropped twice
                for found in kept:
                    found.name = free_name(found.result.image.name, taken)
                    session.found.append(found)
                    _follow(session, found)
                session.done.append(kept)
                yield
                continue
            pages: list[Found] = []
            with closing(
                shared_reader().images(
                    path, name=Path(name).stem, channel=reading.channel, projection=reading.projection
                )
            ) as images:
                for page in images:
                    result = segmenter(
                        page,
                        session.params,
                        accurate=session.accurate,
                        magnification=session.magnification,
                        progress=report,
                    )
                    check_nuclei(result.count, name)
                    found = Found(free_name(result.image.name, taken), result, name, digest, History(result.labels))
                    session.found.append(found)
                    _follow(session, found)
                    pages.append(found)
            session.done.append(pages)
        except NucleoscopeError as error:
            note_error(error)
            session.failures.append((name, str(error)))
        except FileNotFoundError as error:
            note_error(error)
            session.failures.append((name, f"{name}: the file is no longer on the server; drop it again."))
        except MemoryError as error:
            note_error(error)
            session.failures.append((name, f"{name}: too large for this computer's memory; crop it."))
        yield


def _follow(session: Session, found: Found) -> None:
    """What the page says now, which the visitor may have changed while the picture was in the network."""
    if session.params and found.result.params != session.params:
        found.decode(session.params)
    size = session.reading.pixel_size
    found.resize(PixelSize(size, size) if size else None)


def expand_all(session: Session, paths: list[str]) -> list[tuple[str, Path]]:
    """Files and the pictures in zips; a bad zip is noted, and the others go on."""
    files: list[tuple[str, Path]] = []
    for path in map(Path, paths):
        try:
            found = shared_reader().expand([path], session.place())
        except NucleoscopeError as error:
            note_error(error)
            session.failures.append((path.name, str(error)))
        else:
            files += found
            session.failures += [(path.name, note) for note in found.notes]
    return files
