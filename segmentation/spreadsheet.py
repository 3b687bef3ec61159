"""Text in tables that spreadsheets open."""

import re
from typing import Any

# With these, spreadsheets begin a formula, which may send a table's contents elsewhere or start a program; some take
# the wide letters of Japanese keyboards for the same.
_FORMULA = "=+\\-@\uff1d\uff0b\uff0d\uff20"
# Where a cell may begin: at the start; and where half of Europe's spreadsheets end a cell or a line, quoted or not.
_BEGINS = re.compile(f"^(?=[{_FORMULA}\\t\\r\\n])|(?:(?<=;)|(?<=.[\\r\\n]))(?=[{_FORMULA}])", re.DOTALL)


def spreadsheet_safe(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: text that would begin one gets an apostrophe before it.

    As OWASP advises (CSV Injection). Spreadsheets of countries that write 0,5 for a half take a semicolon for the end
    of a cell, and quotes within a line for letters, so text after semicolons and line ends is treated alike.

    Args:
        value: of any kind; numbers, and text that begins with none of ``= + - @``, tab and line ends, stay.
    """
    return _BEGINS.sub("'", value) if isinstance(value, str) else value
