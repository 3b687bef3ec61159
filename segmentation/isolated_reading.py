"""Reads strangers' files in processes of their own: a decoder that crashes, hangs or fills the memory ends there.

Of what is read, the pixels and what the file says of them come back, never a Python object; see
:mod:`segmentation.isolated_reading_answers`. The functions are those of :mod:`segmentation.image_io`,
:mod:`segmentation.image_info`, :mod:`segmentation.truth_io` and :mod:`segmentation.picture_sources`, and say the same.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from numpy.typing import NDArray

from segmentation.errors import ImageShapeError
from segmentation.image_info import ImageInfo
from segmentation.isolated_reading_answers import Fill, to_image, to_info, to_labels, to_pictures, to_truth
from segmentation.isolated_reading_pool import Pool, of_kind
from segmentation.limits import Limits, limits
from segmentation.microscopy_image import MicroscopyImage
from segmentation.picture_sources import Pictures
from segmentation.projection import Projection, check_projection

if TYPE_CHECKING:
    from segmentation.truth_io import Truth  # loads SciPy and scikit-image

MANY = 5  # times as long may what goes through many planes or files take: a projection, a zip, a set of masks
T = TypeVar("T")


class IsolatedReader:
    """Reads files in processes that are replaced when a file ends one.

    At most ``limits.readers`` processes read at a time. A stack whose pages are wanted one by one keeps its process
    until all were read or the iterator is closed, and holds no other file up while a page is being segmented.

    Args:
        allowed: limits; by default those of :func:`segmentation.limits.limits`.
        command: what is run as the process, for tests.
    """

    def __init__(self, allowed: Limits | None = None, command: list[str] | None = None) -> None:
        allowed = allowed or limits()
        self._seconds, self._pool = allowed.read_seconds, Pool(allowed, command)

    @property
    def pids(self) -> list[int]:
        """Numbers of its processes."""
        return self._pool.pids

    def warm(self) -> None:
        """Start a process now, in the background, so that the first file need not wait for it."""
        self._pool.warm()

    def images(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        channel: int | str | None = None,
        page: int | None = None,
        projection: Projection | None = None,
    ) -> Generator[MicroscopyImage]:
        """Yield every page of a picture, one at a time; see :func:`segmentation.image_io.read_images`.

        Raises:
            ImageReadError: also if the file crashed its process, or took too long or too much memory.
            ImageShapeError: as there.
            ParameterError: as there.
        """
        check_projection(projection)
        path = Path(os.path.abspath(path))
        chosen = {"name": name, "channel": channel, "page": page, "projection": projection}
        request: dict[str, Any] = {"do": "images", "path": str(path), **chosen}

        def take(header: dict[str, Any], fill: Fill) -> MicroscopyImage | None:
            return None if header["kind"] == "end" else to_image(of_kind(header, "image", path), fill)

        seconds = self._seconds * (MANY if projection else 1)
        with self._pool.process() as process:
            while (image := self._pool.ask(process, request, path, seconds, take)) is not None:
                yield image
                request = {"do": "next"}

    def image(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        channel: int | str | None = None,
        page: int | None = None,
        projection: Projection | None = None,
    ) -> MicroscopyImage:
        """Read a picture of one page; see :func:`segmentation.image_io.read_image`.

        Raises:
            ImageReadError: as for :meth:`images`.
            ImageShapeError: also if several pages are left.
            ParameterError: as for :meth:`images`.
        """
        with closing(self.images(path, name=name, channel=channel, page=page, projection=projection)) as pages:
            first = next(pages)
            if next(pages, None) is not None:
                raise ImageShapeError(
                    f"{Path(path).name}: the file holds several pages and one picture is expected here: save the one "
                    "that is meant as a file of its own."
                )
            return first

    def describe(self, path: str | Path, *, name: str | None = None) -> ImageInfo:
        """Say what a file holds; see :func:`segmentation.image_info.describe`.

        Raises:
            ImageReadError: as for :meth:`images`.
            ImageShapeError: as there.
        """
        return self._once("info", path, {"path": os.path.abspath(path), "name": name}, lambda told, _: to_info(told))

    def truth(self, paths: Sequence[str | Path], shape: tuple[int, int]) -> "Truth":
        """Read the true nuclei of one picture; see :func:`segmentation.truth_io.read_truth`.

        Raises:
            ImageReadError: as for :meth:`images`.
            ImageShapeError: as there.
            ParameterError: as there.
        """
        request = {"paths": [os.path.abspath(path) for path in paths], "shape": shape}
        return self._once("truth", paths[0] if paths else "no file", request, to_truth, MANY)

    def labels(self, path: str | Path) -> NDArray:
        """Read a label image; see :func:`segmentation.truth_io.read_labels`.

        Raises:
            ImageReadError: as for :meth:`images`.
            ImageShapeError: as there.
        """
        return self._once("labels", path, {"path": os.path.abspath(path)}, to_labels)

    def expand(self, paths: Iterable[str | Path], folder: str | Path) -> Pictures:
        """Each file as it is, and for each zip the pictures in it; see :func:`segmentation.picture_sources.expand`.

        Raises:
            ImageReadError: as for :meth:`images`; nothing of a zip that fails stays in ``folder``.
        """
        given = [Path(os.path.abspath(path)) for path in paths]
        Path(folder).mkdir(parents=True, exist_ok=True)
        inside = Path(tempfile.mkdtemp(prefix="unpacked-", dir=os.path.abspath(folder)))
        request = {"paths": list(map(str, given)), "folder": str(inside)}
        try:
            label = given[0] if given else "no file"
            found = self._once("files", label, request, lambda told, _: to_pictures(told, given, inside), MANY)
        except BaseException:
            shutil.rmtree(inside, ignore_errors=True)
            raise
        if not any(inside.iterdir()):
            inside.rmdir()
        return found

    def close(self) -> None:
        """End all processes; what is being read fails."""
        self._pool.close()

    def _once(
        self,
        kind: str,
        path: str | Path,
        request: dict[str, Any],
        take: Callable[[dict[str, Any], Fill], T],
        many: int = 1,
    ) -> T:
        def checked(header: dict[str, Any], fill: Fill) -> T:
            return take(of_kind(header, kind, Path(path)), fill)

        with self._pool.process() as process:
            seconds = self._seconds * many
            return self._pool.ask(process, {"do": kind, **request}, Path(path), seconds, checked)


@cache
def shared_reader() -> IsolatedReader:
    """The one reader of this server; its processes end with it."""
    reader = IsolatedReader()
    atexit.register(reader.close)
    return reader
