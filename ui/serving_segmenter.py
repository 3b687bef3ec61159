"""A Segmenter as the server uses it: it notes what it does in the work at hand, and ends when the time is over."""

import numpy as np
from numpy.typing import NDArray

from segmentation.instance_maps import DecodeParams
from segmentation.microscopy_image import MicroscopyImage
from segmentation.segmenter import Progress, Segmentation, Segmenter, Source
from ui.serving_work import current_work


class WatchedSegmenter(Segmenter):
    """The same nuclei as the Segmenter in it finds.

    Args:
        inner: what does the work.
    """

    def __init__(self, inner: Segmenter) -> None:
        self._inner = inner
        self.bundle, self.device, self.engine = inner.bundle, inner.device, inner.engine
        self._run = inner.predict_prepared

    def __call__(
        self,
        image: Source,
        params: DecodeParams | None = None,
        *,
        channel: int | str | None = None,
        accurate: bool = False,
        magnification: float | None = None,
        progress: Progress | None = None,
    ) -> Segmentation:
        """See :meth:`segmentation.Segmenter.__call__`.

        Raises:
            TimeLimitError: when the time for one picture is over.
        """
        result = super().__call__(
            image, params, channel=channel, accurate=accurate, magnification=magnification, progress=progress
        )
        if work := current_work():
            work.reach("decode")
            height, width = result.image.shape
            work.pictures += 1
            work.pixels += height * width
            work.nuclei += result.count
        return result

    def choose_magnification(self, image: MicroscopyImage, *, accurate: bool = False) -> float:
        """See :meth:`segmentation.Segmenter.choose_magnification`; its time counts as the network's."""
        if not (work := current_work()):
            return self._inner.choose_magnification(image, accurate=accurate)
        work.reach("export" if work.program and work.pictures else "read")
        try:
            return self._inner.choose_magnification(image, accurate=accurate)
        finally:
            work.reach("network")

    def predict_maps(
        self,
        image: MicroscopyImage,
        *,
        accurate: bool = False,
        magnification: float | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """See :meth:`segmentation.Segmenter.predict_maps`; between two tiles it looks at the clock."""
        work = current_work()
        if work is None:
            return self._inner.predict_maps(image, accurate=accurate, magnification=magnification, progress=progress)
        work.reach("export" if work.program and work.pictures else "read")

        def watched(done: float) -> None:
            if done < 1:  # what is finished is given, late or not
                work.check_time()
            if progress is not None:
                progress(done)

        work.check_time()
        try:
            return self._inner.predict_maps(image, accurate=accurate, magnification=magnification, progress=watched)
        finally:
            work.reach("network")

    def predict_prepared(self, prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :meth:`segmentation.Segmenter.predict_prepared`."""
        return self._inner.predict_prepared(prepared)
