"""Generated, seeded pictures with exact labels: for tests and for a training run that needs no data."""

from data_modules.pictures import KINDS, LabelledPicture, PictureInfo, PictureSource
from segmentation.errors import ParameterError
from segmentation.examples import make_example


class SyntheticNuclei(PictureSource):
    """Pictures drawn on demand, the kinds in turn.

    Args:
        pictures: how many.
        size: height and width in pixels.
        nuclei: placed in each.
        seed: of the first picture; the others count on from it.
    """

    def __init__(self, pictures: int = 60, size: int = 128, nuclei: int = 10, seed: int = 0) -> None:
        if pictures < 1 or size < 16 or nuclei < 0 or seed < 0:
            raise ParameterError(
                f"pictures={pictures}, size={size}, nuclei={nuclei}, seed={seed}: at least 1 picture of at least 16 "
                "pixels, and no negative number."
            )
        self.pictures, self.size, self.nuclei, self.seed = pictures, size, nuclei, seed

    def setup(self) -> None:
        """Nothing to read."""

    @property
    def infos(self) -> list[PictureInfo]:
        """Every picture is a group of its own."""
        names = [f"synthetic{index:05d}" for index in range(self.pictures)]
        return [PictureInfo(name, KINDS[index % len(KINDS)], name) for index, name in enumerate(names)]

    def load(self, index: int) -> LabelledPicture:
        """Draw one picture."""
        info = self.infos[index]
        drawn = make_example(
            info.kind, self.seed + index, height=self.size, width=self.size, nuclei=self.nuclei, radius=(5.0, 10.0)
        )
        return LabelledPicture(drawn.pixels, drawn.labels, info.name, info.kind)
