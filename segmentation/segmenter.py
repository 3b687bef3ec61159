"""Segmenter: a bundle and a picture -> Segmentation. The page, the command line and Lightning's predict all use it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segmentation.automatic_magnification import LOOK, Measured, TileNetwork, first_look, largest_factor, suited_factor
from segmentation.bundle import Bundle, check_magnification
from segmentation.devices import choose_device
from segmentation.engine import EngineName, choose_engine, make_runner
from segmentation.image_io import MicroscopyImage, read_image, read_images
from segmentation.instance_maps import DecodeParams, decode
from segmentation.model_card import LICENSE
from segmentation.model_source import resolve
from segmentation.preprocessing import IntensityRange
from segmentation.projection import Projection
from segmentation.result import Segmentation
from segmentation.tiling import predict_tiled

if TYPE_CHECKING:
    from segmentation.hub_push import Published

__all__ = ["OVERLAP", "TILE", "Progress", "Segmentation", "Segmenter", "Source", "TileNetwork"]

TILE, OVERLAP = 1024, 128  # multiples of the network's stride, so that tiles share its pooling grid
Source = str | Path | bytes | NDArray | Image.Image | MicroscopyImage
Progress = Callable[[float], None]


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
            accurate: average the network's answers to the picture turned and mirrored in all eight ways, and magnify
                small nuclei more in large pictures; takes eight times as long and more.
            magnification: of the picture before the network; chosen by the size of its nuclei by default, see
                :meth:`choose_magnification`. Time grows with its square.
            progress: called with the fraction done, in (0, 1].

        Raises:
            ImageReadError, ImageShapeError: see :func:`segmentation.read_image`.
            ParameterError: for a magnification out of range.
        """
        picture = read_image(image, channel=channel)
        params = params or self.bundle.decode
        start = time.perf_counter()
        factor = self._factor(picture, magnification, accurate)
        maps = self.predict_maps(picture, accurate=accurate, magnification=factor, progress=progress)
        labels = decode(maps, params, self.bundle.maps)
        seconds = time.perf_counter() - start
        return Segmentation(picture, maps, self.bundle.maps, labels, params, seconds, self.engine, factor)

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
        factor = self._factor(image, magnification, accurate)
        intensity = self.bundle.preprocessing.measure(image.pixels)
        tiles = self.tiles(intensity, factor, accurate=accurate)
        return predict_tiled(
            lambda tile: tiles.predict(tiles.prepare(image.pixels[tile])),
            len(self.bundle.maps),
            height,
            width,
            tile=tiles.side,
            overlap=tiles.overlap,
            progress=progress,
        )

    def _factor(self, image: MicroscopyImage, magnification: float | None, accurate: bool) -> float:
        if magnification is None:
            return self.choose_magnification(image, accurate=accurate)
        return check_magnification(magnification)

    def choose_magnification(self, image: MicroscopyImage, *, accurate: bool = False) -> float:
        """What suits the nuclei of a picture: the bundle's own for all, or by the size that a first look finds.

        The bundle's decode parameters tell how large they are, whatever the user's are, so that a moved slider never
        asks for the network again. Where nothing is found, the bundle's own magnification looks, and stays.
        """
        if not self.bundle.diameter:
            return self.bundle.magnification
        intensity = self.bundle.preprocessing.measure(image.pixels)
        picture = Measured(image.shape, image.pixels.__getitem__, intensity)
        return self.magnification_of(picture, accurate=accurate)

    def magnification_of(self, picture: Measured, *, accurate: bool = False) -> float:
        """:meth:`choose_magnification` for what need not be in memory."""
        bundle = self.bundle
        found = self.diameter_of(picture, accurate=accurate) if bundle.diameter else 0.0
        largest = largest_factor(*picture.shape, accurate=accurate)
        return suited_factor(bundle.diameter, found, largest) if found else bundle.magnification

    def diameter_of(self, picture: Measured, *, accurate: bool = False) -> float:
        """Median diameter in pixels of the nuclei that a first look sees, 0 for none; see :meth:`magnification_of`."""
        factors = LOOK, self.bundle.magnification
        looks = (self.tiles(picture.intensity, factor, accurate=accurate) for factor in factors)
        return first_look(
            looks, lambda maps: decode(maps, self.bundle.decode, self.bundle.maps), picture.shape, picture.read
        )

    def tiles(self, intensity: IntensityRange, factor: float, *, accurate: bool = False) -> TileNetwork:
        """How tiles of a picture whose whole was measured go through the network, magnified by ``factor``."""
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
