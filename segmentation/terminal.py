"""Text for terminals, which obey what is hidden in it, and values and names as messages quote them."""

_MOST = 60  # letters of a value that a sentence has room for
_LONGEST_NAME = 120  # letters; file systems know 255, and a zip may hold 65,535
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"


def shown(value: object) -> str:
    """A value as a message quotes it: on one line, without control characters, and not longer than a line.

    Strangers' files hold texts of megabytes, and numbers of more digits than Python writes out.
    """
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} too long to be written here"
    text = one_line(text, _MOST + 1)
    return text if len(text) <= _MOST else f"{text[:_MOST]}..."


def printable(text: str, sign: str = _UNKNOWN) -> str:
    """The text with a sign in place of each character that a terminal would obey rather than show.

    Names of files may hold such: to clear the screen, to rename the window, to write backwards. Line ends stay.
    """
    return "".join(letter if letter.isprintable() or letter == "\n" else sign for letter in text)


def one_line(text: str, most: int | None = None) -> str:
    """What a program or a file says, printable, on one line and cut after ``most`` letters."""
    return printable(" ".join(text.split()))[:most]


def name_shown(name: str) -> str:
    """A file's name without signs that print as nothing or as something else, and cut in its middle if it is long."""
    name = printable(name, "_").replace("\n", "_")
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[:half]}...{name[-half:]}"
