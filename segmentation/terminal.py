"""Text for terminals, which obey what is hidden in it."""


def printable(text: str) -> str:
    """The text with a sign in place of each character that a terminal would obey rather than show.

    Names of files may hold such: to clear the screen, to rename the window, to write backwards. Line ends stay.
    """
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)
