"""Which process made something, and whether it still runs.

A number alone does not tell: Linux gives the numbers of ended processes to new ones after 32,768 of them, and an ended
process keeps its number until its parent has taken note of it, which may take seconds, or in a container for ever.
"""

import os
from contextlib import suppress
from pathlib import Path


def began(process: int) -> int | None:
    """When a process began, in clock ticks since the computer's start.

    Args:
        process: its number.

    Returns:
        None where no such process runs, or where the system does not tell: only Linux does. One that has ended, and
        that its parent has not yet taken note of (a zombie), does not run.
    """
    with suppress(OSError, IndexError, ValueError):
        # proc_pid_stat(5): the name, which may hold anything, stands in brackets; state is field 3, the start field 22
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        if fields[0] not in "ZXx":
            return int(fields[19])
    return None


def own_name() -> str:
    """This process's name in the names of files: ``NUMBER.BEGAN``, or ``NUMBER`` where nothing tells when."""
    start = began(os.getpid())
    return str(os.getpid()) if start is None else f"{os.getpid()}.{start}"


def is_gone(process: int, start: int | None = None) -> bool:
    """Whether a process of this computer, or container, is known to have ended.

    Args:
        process: its number.
        start: when it began, by :func:`began`; None if that is not known, and then a newer one of its number is taken
            for it.

    Returns:
        False also where nobody can tell: on Windows, and of processes of other people.
    """
    if os.name != "posix":  # os.kill would end it there
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    if began(os.getpid()) is None:  # no /proc to ask
        return False
    now = began(process)
    return now is None or start not in (None, now)
