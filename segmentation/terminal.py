"""Text for terminals, which obey what is hidden in it, and values as messages quote them."""

_MOST = 60  # letters of a value that a sentence has room for


def shown(value: object) -> str:
    """A value as a message quotes it: on one line, without control characters, and not longer than a line.

    Strangers' files hold texts of megabytes, and numbers of more digits than Python writes out.
    """
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} too long to be written here"
    text = printable(text).replace("\n", " ")
    return text if len(text) <= _MOST else f"{text[:_MOST]}..."


def printable(text: str) -> str:
    """The text with a sign in place of each character that a terminal would obey rather than show.

    Names of files may hold such: to clear the screen, to rename the window, to write backwards. Line ends stay.
    """
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)
