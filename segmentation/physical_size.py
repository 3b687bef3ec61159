"""Pixel sizes as files state them: lengths with units, or a resolution that may be meant for printers."""

import math
import re
import unicodedata
from typing import NamedTuple

from segmentation.pixel_size import PixelSize

STATED = (1e-4, 1e4)  # micrometres that a stated length may be: 0.1 nm is an electron microscope, 1 cm no microscope
# Micrometres for which a resolution in dots an inch or a centimetre is a pixel size: 72, 96, 150, 300 and 1,200 dpi,
# which programs write for printers, screens and scanners, are 353, 265, 169, 85 and 21.
UNSAID = (1e-3, 10.0)
_UNITS = {"m": 1e6, "dm": 1e5, "cm": 1e4, "mm": 1e3, "um": 1.0, "nm": 1e-3, "pm": 1e-6, "in": 25_400.0, "thou": 25.4}
_UNITS |= {"\N{GREEK SMALL LETTER MU}m": 1.0, "\N{LATIN CAPITAL LETTER A WITH RING ABOVE}": 1e-4}
_UNITS |= {"micron": 1.0, "microns": 1.0, "inch": 25_400.0, "inches": 25_400.0}
_UNITS |= {"meter": 1e6, "centimeter": 1e4, "millimeter": 1e3, "micrometer": 1.0, "nanometer": 1e-3}
_UNITS |= {"pixel": 0.0, "pixels": 0.0, "reference frame": 0.0}  # what is no length


class Stated(NamedTuple):
    """A pixel size, or None; and a sentence on why not, empty where the file is silent."""

    size: PixelSize | None = None
    remark: str = ""


def micrometres(unit: str) -> float | None:
    """Micrometres in a unit as OME-XML or ImageJ write it; 0 for pixels, None for one that is not known."""
    # ImageJ escapes the micro sign; NFKC makes one of the two micro signs, and of the two letters of Angstrom.
    plain = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), unit.strip())
    plain = unicodedata.normalize("NFKC", plain)
    # Case matters in short ones: Mm is a million metres.
    return _UNITS.get(plain if len(plain) < 4 else plain.casefold().replace("metre", "meter"))


def from_lengths(x: float | None, y: float | None, x_unit: str, y_unit: str, source: str) -> Stated:
    """A pixel size from lengths with units; one alone is taken for both.

    Args:
        x: width of a pixel, or None.
        y: height, or None.
        x_unit: unit of ``x``.
        y_unit: unit of ``y``.
        source: where it stands, for the remark.
    """
    if x is None and y is None:
        return Stated()
    if x is None or y is None:
        x, y, x_unit, y_unit = (y, y, y_unit, y_unit) if x is None else (x, x, x_unit, x_unit)
    factors = micrometres(x_unit), micrometres(y_unit)
    if factors[0] is None or factors[1] is None:
        unknown = x_unit if factors[0] is None else y_unit
        return Stated(None, f"The unit {unknown[:40]!r} of its pixel size ({source}) is not known here.")
    if 0 in factors:
        return Stated()
    assert x is not None
    assert y is not None
    size = PixelSize(y * factors[1], x * factors[0])
    if all(math.isfinite(each) and STATED[0] <= each <= STATED[1] for each in size):
        return Stated(size)
    return Stated(None, f"Its pixel size of {x:g} {x_unit} x {y:g} {y_unit} ({source}) makes no sense and is left out.")


def from_resolution(x: float | None, y: float | None, unit: str, source: str) -> Stated:
    """A pixel size from pixels an inch or a centimetre, if it can be one.

    Args:
        x: pixels along one unit; None, 0 or less where the file does not say.
        y: the same, down.
        unit: "inch" or "cm".
        source: where it stands, for the remark.
    """
    if not x or not y or not (0 < x < math.inf and 0 < y < math.inf):
        return Stated()
    factor = micrometres(unit)
    assert factor
    size = PixelSize(factor / y, factor / x)
    if all(UNSAID[0] <= each <= UNSAID[1] for each in size):
        return Stated(size)
    dots = " x ".join(f"{each:,.3g}" if each < 100 else f"{each:,.0f}" for each in ([x] if x == y else [x, y]))
    spoken = f"{dots} dpi" if unit == "inch" else f"{dots} pixels a centimetre"
    return Stated(None, f"The {spoken} of its {source} are a setting for printers or screens, not a pixel size.")
