"""Where labelled pictures come from, how they are split, and how training crops vary."""

from data_modules.augmentation import AugmentationParams
from data_modules.datamodule import SegmentationDataModule
from data_modules.dsb2018 import Dsb2018
from data_modules.pictures import LabelledPicture, PictureInfo, PictureSource

__all__ = [
    "AugmentationParams",
    "Dsb2018",
    "LabelledPicture",
    "PictureInfo",
    "PictureSource",
    "SegmentationDataModule",
]
