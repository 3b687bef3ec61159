"""Where labelled pictures come from, how they are split, and how training crops vary."""

from data_modules.augmentation import AugmentationParams
from data_modules.datamodule import SegmentationDataModule
from data_modules.dsb2018 import Dsb2018
from data_modules.image_folder import ImageFolder
from data_modules.pictures import LabelledPicture, PictureInfo, PictureSource
from data_modules.synthetic import SyntheticNuclei

__all__ = [
    "AugmentationParams",
    "Dsb2018",
    "ImageFolder",
    "LabelledPicture",
    "PictureInfo",
    "PictureSource",
    "SegmentationDataModule",
    "SyntheticNuclei",
]
