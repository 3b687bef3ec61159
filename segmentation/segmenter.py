"""Segmenter: a bundle and a picture -> Segmentation. The page, the command line and Lightning's predict all use it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segmentation.bundle import Bundle, check_magnification
from segmentation.devices import choose_device
from segmentation.engine import EngineName, choose_engine, make_runner
from segmentation.image_io import MicroscopyImage, read_image, read_images
from segmentation.instance_maps import DecodeParams, MapName, decode
from segmentation.model_card import LICENSE
from segmentation.model_source import resolve
from segmentation.preprocessing import IntensityRange
from segmentation.projection import Projection
from segmentation.tiling import predict_tiled

if TYPE_CHECKING:
    from segmentation.hub_push import Published

TILE, OVERLAP = 1024, 128  # multiples of the network's stride, so that tiles share its pooling grid
Source = str | Path | bytes | NDArray | Image.Image | MicroscopyImage
Progress = Callable[[float], None]


class TileNetwork(NamedTuple):
    """What a tile goes through, and how many pixels of the picture its side and its overlaps have."""

    prepare: Callable[[NDArray], NDArray[np.float32]]  # (h, w, C) pixels -> (h, w, channels) that the network sees
    predict: Callable[[NDArray[np.float32]], NDArray[np.float32]]  # these -> (maps, h, w) in [0, 1]
    side: int
    overlap: int


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The nuclei of one picture.

    Attributes:
        image: the picture as read.
        maps: ``(maps, H, W)`` float32 in [0, 1], the network's answer.
        names: what each of them is; see :func:`segmentation.instance_maps.encode`.
        labels: ``(H, W)`` uint16 or uint32, 0 the background, 1..count the nuclei.
        params: what turned ``maps`` into ``labels``.
        seconds: wall time of the network and of the decoding.
        engine: what ran the network.
    """

    image: MicroscopyImage
    maps: NDArray[np.float32]
    names: tuple[MapName, ...]
    labels: NDArray[np.uint16] | NDArray[np.uint32]
    params: DecodeParams
    seconds: float
    engine: EngineName = "pytorch"

    @property
    def foreground(self) -> NDArray[np.float32]:
        """Probability of foreground, ``(H, W)`` in [0, 1]."""
        return self.maps[self.names.index("foreground")]

    @property
    def count(self) -> int:
        """Number of nuclei."""
        return int(self.labels.max())

    def decode(self, params: DecodeParams) -> "Segmentation":
        """The same picture with other parameters; the network does not run again."""
        start = time.perf_counter()
        labels = decode(self.maps, params, self.names)
        return replace(self, labels=labels, params=params, seconds=time.perf_counter() - start)


class Segmenter:
    """Finds the nuclei of pictures with one bundle.

    Args:
        bundle: network, preprocessing and decode parameters.
        device: "auto" (a GPU when there is one), or any name torch knows: "cpu", "cuda:1", "mps".
        engine: what runs the network; "auto" is OpenVINO on processors and PyTorch elsewhere, "pytorch" also sees
            weights that change afterwards. See :func:`segmentation.engine.choose_engine`.

    Raises:
        ParameterError: if torch has no such device, or the engine cannot be used on it.
    """

    def __init__(self, bundle: Bundle, device: str = "auto", engine: EngineName = "auto") -> None:
        self.bundle = bundle
        self.device = choose_device(device)
        self.engine = choose_engine(engine, self.device)
        self._run = make_runner(bundle.source, self.device, self.engine)

    @classmethod
    def from_pretrained(
        cls, model: str | Path, device: str = "auto", *, revision: str | None = None, engine: EngineName = "auto"
    ) -> "Segmenter":
        """Load a bundle folder such as ``checkpoints/nuclei``, or a model on the Hugging Face Hub.

        Args:
            model: a folder, or ``OWNER/NAME`` or ``OWNER/NAME@REVISION`` on the Hub; what is on this disk wins.
            device: see :class:`Segmenter`.
            revision: branch, tag or commit of a model on the Hub; a full commit hash pins it for ever.
            engine: see :class:`Segmenter`.

        Raises:
            BundleError: if it is not a bundle, whole.
            HubError: if the Hub has no such model or cannot be reached.
            ParameterError: see :class:`Segmenter`.
        """
        return cls(Bundle.load(resolve(model, revision)), device, engine)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = False,
        revision: str | None = None,
        create_pr: bool = False,
        license: str = LICENSE,
        token: str | None = None,
    ) -> "Published":
        """Publish this model on the Hugging Face Hub; see :func:`segmentation.hub.push`."""
        from segmentation.hub_push import push  # loads the Hub's client, which most uses never need

        return push(
            self.bundle, repo_id, private=private, revision=revision, create_pr=create_pr, license=license, token=token
        )

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
        """Segment a picture of one page.

        Args:
            image: a path, a file's bytes, an array ``(H, W)`` or ``(H, W, C)``, or a Pillow picture.
            params: decode parameters; the bundle's own by default.
            channel: segment this channel alone: its number, counted from 0, or its name in the file.
            accurate: average the network's answers to the picture turned and mirrored in all eight ways; takes eight
                times as long.
            magnification: of the picture before the network, the bundle's own by default. Half of that suits nuclei of
                more than about 50 pixels across, twice that, nuclei of less than 8. Time grows with its square.
            progress: called with the fraction done, in (0, 1].

        Raises:
            ImageReadError, ImageShapeError: see :func:`segmentation.read_image`.
            ParameterError: for a magnification out of range.
        """
        picture = read_image(image, channel=channel)
        params = params or self.bundle.decode
        start = time.perf_counter()
        maps = self.predict_maps(picture, accurate=accurate, magnification=magnification, progress=progress)
        labels = decode(maps, params, self.bundle.maps)
        seconds = time.perf_counter() - start
        return Segmentation(picture, maps, self.bundle.maps, labels, params, seconds, self.engine)

    def segment_pages(
        self,
        source: Source,
        params: DecodeParams | None = None,
        *,
        channel: int | str | None = None,
        page: int | None = None,
        projection: Projection | None = None,
        accurate: bool = False,
        magnification: float | None = None,
    ) -> Iterator[Segmentation]:
        """Segment every page of a file, one at a time; see :func:`segmentation.read_images` for the choices."""
        for image in read_images(source, channel=channel, page=page, projection=projection):
            yield self(image, params, accurate=accurate, magnification=magnification)

    def predict_maps(
        self,
        image: MicroscopyImage,
        *,
        accurate: bool = False,
        magnification: float | None = None,
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """The network's maps ``(maps, H, W)`` in [0, 1]; large pictures go through in tiles."""
        height, width = image.shape
        intensity = self.bundle.preprocessing.measure(image.pixels)
        tiles = self.tiles(intensity, accurate=accurate, magnification=magnification)
        return predict_tiled(
            lambda tile: tiles.predict(tiles.prepare(image.pixels[tile])),
            len(self.bundle.maps),
            height,
            width,
            tile=tiles.side,
            overlap=tiles.overlap,
            progress=progress,
        )

    def tiles(
        self, intensity: IntensityRange, *, accurate: bool = False, magnification: float | None = None
    ) -> "TileNetwork":
        """How tiles of a picture whose whole was measured go through the network; see :meth:`__call__`."""
        factor = check_magnification(self.bundle.magnification if magnification is None else magnification)
        run = self.predict_turned if accurate else self.predict_prepared
        # The network sees the same surroundings of a pixel at any magnification below 1, and at most half as many
        # pixels more above it, which bounds the memory.
        side = round(TILE / factor * min(max(factor, 1), 1.5))
        return TileNetwork(
            lambda pixels: self.bundle.preprocessing.apply(pixels, intensity),
            lambda prepared: _magnified(run, prepared, factor),
            side,
            min(round(OVERLAP / min(factor, 1)), side // 2),
        )

    def predict_prepared(self, prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        """Prepared pixels ``(H, W, C)`` -> maps ``(maps, H, W)``, in one pass of the network."""
        return self._run(prepared)

    def predict_turned(self, prepared: NDArray[np.float32]) -> NDArray[np.float32]:
        """``predict_prepared`` averaged over the eight turns and mirror images of a picture."""
        total = np.zeros((len(self.bundle.maps), *prepared.shape[:2]), np.float32)
        for mirrored in (False, True):
            picture = prepared[:, ::-1] if mirrored else prepared
            for turns in range(4):
                maps = np.rot90(self.predict_prepared(np.rot90(picture, turns)), -turns, axes=(1, 2))
                total += maps[..., ::-1] if mirrored else maps
        total /= 8
        return total


def _magnified(
    run: Callable[[NDArray[np.float32]], NDArray[np.float32]], prepared: NDArray[np.float32], factor: float
) -> NDArray[np.float32]:
    """``run`` on a picture ``(H, W, C)`` magnified by ``factor``, its maps ``(maps, H, W)`` shrunk back."""
    height, width = prepared.shape[:2]
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    if size == (width, height):
        return run(prepared)
    smooth = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    maps = run(cv2.resize(np.ascontiguousarray(prepared), size, interpolation=smooth).reshape(size[1], size[0], -1))
    return np.stack([cv2.resize(each, (width, height), interpolation=cv2.INTER_LINEAR) for each in maps])
