"""Text in tables that spreadsheets open."""

from typing import Any

# With these, spreadsheets begin a formula, which may send a table's contents elsewhere or start a program.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def spreadsheet_safe(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: text that would begin one gets an apostrophe before it.

    As OWASP advises (CSV Injection).

    Args:
        value: of any kind; numbers, and text that begins with none of ``= + - @``, tab and carriage return, stay.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
