"""DICOM: pydicom's own files against pydicom's own decoding, and what its files lack, written here."""

from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array

from segmentation import read_image, read_images
from segmentation.dicom_frames import CODECS
from segmentation.errors import ImageReadError
from segmentation.image_info import describe
from segmentation.pixel_size import PixelSize
from tests.segmentation.corpus_tools import DEEP, GREY, SIGNED, SMOOTH, TWELVE, dicom, stack

# Every syntax and kind of colours of which pydicom brings a file that it can decode with Pillow and by itself.
FILES = [
    "CT_small",
    "MR_small",
    "MR_small_bigendian",
    "MR_small_implicit",
    "MR_small_padded",
    "MR_small_RLE",
    "MR_small_jp2klossless",
    "693_J2KI",
    "J2K_pixelrep_mismatch",
    "JPEG2000",
    "ExplVR_BigEnd",
    "SC_rgb_small_odd",
    "SC_rgb_small_odd_big_endian",
    "SC_rgb_small_odd_jpeg",
    "SC_jpeg_no_color_transform",
    "SC_jpeg_no_color_transform_2",
    "SC_rgb_dcmtk_+eb+cr",
    "SC_rgb_dcmtk_+eb+cy+n1",
    "SC_rgb_dcmtk_+eb+cy+n2",
    "SC_rgb_dcmtk_+eb+cy+np",
    "SC_rgb_dcmtk_+eb+cy+s2",
    "SC_rgb_dcmtk_+eb+cy+s4",
    "SC_rgb_jpeg",
    "SC_rgb_jpeg_app14_dcmd",
    "SC_rgb_jpeg_dcmd",
    "SC_rgb_jpeg_dcmtk",
    "SC_rgb_jpeg_lossy_gdcm",
    "SC_rgb_rle",
    "SC_rgb_rle_16bit_2frame",
    "SC_rgb_rle_32bit_2frame",
    "SC_ybr_full_422_uncompressed",
    "examples_palette",
    "examples_overlay",
    "image_dfl",
    "rtdose",
    "rtdose_expb",
    "rtdose_rle",
]


def path_of(name: str) -> Path:
    path = get_testdata_file(f"{name}.dcm", download=False)
    if path is None:
        pytest.skip(f"this pydicom comes without {name}.dcm")
    return Path(str(path))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore")
def test_against_pydicom(name: str) -> None:
    path = path_of(name)
    data = pydicom.dcmread(path)
    expected = pixel_array(data)
    if data.PhotometricInterpretation == "PALETTE COLOR":
        expected = apply_color_lut(expected, data)
    elif data.get("RescaleSlope") is not None:
        expected = apply_modality_lut(expected, data)
    pixels = np.stack([image.pixels for image in read_images(path)])
    np.testing.assert_array_equal(pixels.squeeze(), np.asarray(expected).squeeze())
    spacing = data.get("PixelSpacing")
    size = describe(path).pixel_size
    assert size is None or size == pytest.approx([1000 * float(each) for each in spacing])


@pytest.mark.parametrize(
    ("name", "twin"), [("MR_small_jpeg_ls_lossless", "MR_small"), ("SC_rgb_jpeg_gdcm", "SC_rgb_rle")]
)
def test_codes_that_pydicom_lacks(name: str, twin: str) -> None:
    """The same picture in another code."""
    np.testing.assert_array_equal(read_image(path_of(name)).pixels, read_image(path_of(twin)).pixels)


def test_twelve_bits_of_lossy_jpeg() -> None:
    values = np.add.outer(np.arange(40), np.arange(56)).astype(np.uint16) * 40
    frame = imagecodecs.jpeg_encode(values, bitspersample=12, level=99)
    data = dicom([frame], "1.2.840.10008.1.2.4.51", BitsAllocated=16, BitsStored=12)
    np.testing.assert_allclose(read_image(data).pixels[..., 0].astype(int), values, atol=4)


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80"])
def test_signed_numbers_in_codes_without_sign(syntax: str, bits: int) -> None:
    values = SIGNED if bits == 16 else (TWELVE.astype(np.int16) - 2048)
    unsigned = values.view(np.uint16) & ((1 << bits) - 1)
    frame = (
        imagecodecs.jpegls_encode(unsigned)
        if "4.80" in syntax
        else imagecodecs.ljpeg_encode(unsigned, bitspersample=bits)
    )
    data = dicom([frame], syntax, BitsAllocated=16, BitsStored=bits, PixelRepresentation=1)
    np.testing.assert_array_equal(read_image(data).pixels[..., 0], values)


@pytest.mark.parametrize("syntax", [uid for uid in CODECS if not CODECS[uid] and not uid.endswith("99")])
def test_frames_of_native_data_are_read_when_due(syntax: str) -> None:
    frames = stack(4)
    data = dicom(frames, syntax, Rows=40, Columns=56, NumberOfFrames=4)
    images = read_images(data[:-100])
    for plane in frames[:3]:
        np.testing.assert_array_equal(next(images).pixels[..., 0], plane)
    with pytest.raises(ImageReadError, match="100 bytes of its pixels are missing"):
        next(images)


@pytest.mark.parametrize("bits", [7, 13, 40 * 56])
def test_bits_of_frames_follow_each_other_without_gap(bits: int) -> None:
    flags = np.random.default_rng(1).integers(0, 2, (5, 1, bits)).astype(np.uint8)
    data = dicom(np.packbits(flags, bitorder="little"), Rows=1, Columns=bits, NumberOfFrames=5, BitsAllocated=1)
    np.testing.assert_array_equal(np.stack([image.pixels[..., 0] for image in read_images(data)]), flags * 255)


def test_frames_in_several_pieces() -> None:
    frames = [imagecodecs.jpeg2k_encode(each, codecformat="j2k") for each in (GREY, SMOOTH)]
    halves = [frames[0][:100], frames[0][100:], frames[1]]
    data = dicom(halves, "1.2.840.10008.1.2.4.90", NumberOfFrames=2)  # no table says where the second begins
    for image, expected in zip(read_images(data), (GREY, SMOOTH), strict=True):
        np.testing.assert_array_equal(image.pixels[..., 0], expected)
    one = dicom([frames[0][:100], frames[0][100:]], "1.2.840.10008.1.2.4.90")
    np.testing.assert_array_equal(read_image(one).pixels[..., 0], GREY)


@pytest.mark.parametrize(
    ("stored", "slope", "intercept", "dtype"),
    [
        ("uint16", 1, 0, "uint16"),
        ("uint16", 1, -1024, "int32"),
        ("uint8", 2, 0, "uint16"),
        ("int16", -1, 0, "int32"),
        ("uint16", 0.25, 10, "float32"),
        ("uint16", 0.001, 1e6, "float64"),  # float32 would make equals of neighbours
        ("uint32", 0.5, 0, "float64"),
    ],
)
def test_rescaling_keeps_all_numbers_apart(stored: str, slope: float, intercept: float, dtype: str) -> None:
    values = np.array([[0, 1, 2], [np.iinfo(stored).max, np.iinfo(stored).max - 1, 77]]).astype(stored)
    image = read_image(dicom(values, RescaleSlope=str(slope), RescaleIntercept=str(intercept)))
    assert image.pixels.dtype == dtype
    np.testing.assert_allclose(image.pixels[..., 0], values.astype(float) * slope + intercept, rtol=1e-6)
    assert len(np.unique(image.pixels)) == 6


def test_rescaling_that_makes_no_sense_is_left_out_and_said() -> None:
    data = dicom(GREY, RescaleSlope="0", RescaleIntercept="5")
    assert "Its rescale slope and intercept make no sense and are left out." in describe(data).notes
    np.testing.assert_array_equal(read_image(data).pixels[..., 0], GREY)


def groups(**items: dict) -> Dataset:
    group = Dataset()
    for sequence, attributes in items.items():
        item = Dataset()
        for name, value in attributes.items():
            setattr(item, name, value)
        setattr(group, sequence, [item])
    return group


def test_what_holds_for_all_frames_and_for_one() -> None:
    frames = stack(2)
    scale = [
        groups(PixelValueTransformationSequence={"RescaleSlope": slope, "RescaleIntercept": "1"})
        for slope in ("2", "3")
    ]
    data = dicom(
        frames,
        Rows=40,
        Columns=56,
        NumberOfFrames=2,
        SharedFunctionalGroupsSequence=[groups(PixelMeasuresSequence={"PixelSpacing": ["0.0005", "0.00025"]})],
        PerFrameFunctionalGroupsSequence=scale,
    )
    first, second = read_images(data)
    np.testing.assert_array_equal(first.pixels[..., 0], frames[0].astype(int) * 2 + 1)
    np.testing.assert_array_equal(second.pixels[..., 0], frames[1].astype(int) * 3 + 1)
    assert first.pixels.dtype == second.pixels.dtype == np.uint32
    assert first.pixel_size == PixelSize(0.5, 0.25)


def test_modality_table() -> None:
    table = np.arange(250, dtype=np.uint16)[::-1] * 3
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [250, 0, 12], table.tobytes()
    image = read_image(dicom(GREY, ModalityLUTSequence=[item]))
    np.testing.assert_array_equal(image.pixels[..., 0], table[GREY])


def test_windows_are_told_and_not_applied() -> None:
    data = dicom(DEEP, WindowCenter=["400", "90"], WindowWidth=["100", "20"])
    assert "Its window (centre 400, width 100) is a setting for screens and is not applied." in describe(data).notes
    np.testing.assert_array_equal(read_image(data).pixels[..., 0], DEEP)


def test_spacing_at_the_detector_is_no_pixel_size() -> None:
    data = dicom(GREY, ImagerPixelSpacing=["0.1", "0.1"])
    assert describe(data).pixel_size is None
    assert "detector or scanner alone" in describe(data).notes[0]


def test_tiles_of_slides_are_called_so() -> None:
    frames = stack(2)
    slide = {"TotalPixelMatrixColumns": 112, "TotalPixelMatrixRows": 40}
    image = next(read_images(dicom(frames, Rows=40, Columns=56, NumberOfFrames=2, **slide)))
    assert image.notes == ("Its 2 frames are tiles of a slide of 112 x 40 pixels, and each is a page.",)


def test_the_beginning_of_a_tiff_before_the_mark_is_no_tiff() -> None:
    data = dicom(GREY)
    np.testing.assert_array_equal(read_image(b"II*\0\x10\0\0\0" + data[8:]).pixels[..., 0], GREY)


def test_names_of_patients_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dicom(GREY)
    assert b"Doe^Jane" in data
    seen: list[int] = []
    original = Dataset.__setitem__
    monkeypatch.setattr(Dataset, "__setitem__", lambda self, key, value: seen.append(key) or original(self, key, value))
    image = read_image(data)
    assert 0x00100010 not in seen
    assert "Doe" not in repr((image, describe(data)))
