"""Who may use the page: a file of names and salted password hashes. ``python -m ui.auth FILE NAME`` writes it."""

import argparse
import asyncio
import binascii
import getpass
import hashlib
import os
import re
import secrets
import stat
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from starlette.exceptions import HTTPException

from segmentation.atomic import replacing
from segmentation.errors import NucleoscopeError, ParameterError
from ui.password_hash import PasswordHash, check_password
from ui.throttle import Throttle

_HASHING = 2  # hashes at once: many logins must not take all processors from those who work
_WAITING = 64  # logins at once
TOO_MANY = "Too many tries to log in; wait half a minute."
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class Users:
    """Names and their password hashes.

    Guessing is slowed down: from the third wrong password on, a name answers after 1, 2, 4 ... 30 seconds, one try
    after the other, whether there is such a user or not.

    Args:
        hashes: by name.
    """

    def __init__(self, hashes: Mapping[str, PasswordHash]) -> None:
        self._hashes = dict(hashes)
        self._throttle = Throttle()
        self._threads = ThreadPoolExecutor(_HASHING, "login")
        self._waiting = 0
        self._key = secrets.token_bytes(32)

    @classmethod
    def load(cls, path: Path) -> "Users":
        """Read a file of lines ``name:scrypt$n$r$p$salt$hash``; empty lines and those that begin with # are skipped.

        A file that everybody on the machine may read is refused: hashes can be guessed at leisure by whoever has them.
        The group may read it, since services are often given their secrets that way.

        Raises:
            ParameterError: if it cannot be read, everybody may read or others may change it, or a line is no user.
        """
        hashes = _parse(path, _lines(path))
        if not hashes:
            raise ParameterError(f"{path}: it holds no user; add one with `python -m ui.auth {path} NAME`.")
        return cls(hashes)

    def check(self, name: str, password: str) -> bool:
        """Whether the password is that user's; as slow for unknown users.

        Waits as guessing demands, and refuses at once what would have to wait for long.
        """
        wait = self._throttle.reserve(name)
        if wait is None:
            return False
        self._throttle.sleep(wait)
        return self._judge(name, password)

    async def login(self, name: str, password: str) -> bool:
        """:meth:`check` for a server: others are served meanwhile, and no crowd of logins takes all processors.

        Raises:
            HTTPException: 429, while too many try, or too many tries at this name were wrong.
        """
        wait = self._throttle.reserve(name)
        if wait is None or self._waiting >= _WAITING:
            raise HTTPException(429, TOO_MANY)
        self._waiting += 1
        try:
            await asyncio.sleep(wait)
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._judge, name, password)
        finally:
            self._waiting -= 1

    def _judge(self, name: str, password: str) -> bool:
        known = self._hashes.get(name)
        same = (known or self._decoy(name)).matches(password) and known is not None
        if same:
            self._throttle.right(name)
        return same

    def _decoy(self, name: str) -> PasswordHash:
        """A user's hash to compare with for the time it takes, always the same one for an unknown name."""
        number = int.from_bytes(hashlib.blake2b(name.encode(errors="replace"), key=self._key, digest_size=8).digest())
        return list(self._hashes.values())[number % len(self._hashes)]


def write_user(path: Path, name: str, password: str | None) -> None:
    """Add a user, change the password, or remove the user (None). The file is whole at any moment, and the owner's.

    Raises:
        ParameterError: if the name or password cannot be one, the user is not there, or the file is none of users.
        OSError: if it cannot be written.
    """
    path = path.resolve()  # a link stays a link
    lines = _lines(path) if path.exists() else []
    _parse(path, lines)
    kept = [line for line in lines if line.split(":")[0].strip() != name]
    if password is None:
        if len(kept) == len(lines):
            raise ParameterError(f"{path}: there is no user {name!r} in it.")
    else:
        _check_name(name)
        check_password(password)
        kept.append(f"{name}:{PasswordHash.of(password)}")
    with replacing(path) as scratch:
        scratch.touch(mode=0o600, exist_ok=False)
        scratch.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run; returns 0, or 1 with one line on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m ui.auth",
        description="Add a user to the file for `python app.py --auth FILE`, or change the password. It is asked for, "
        "or read as one line from standard input where that is no terminal.",
    )
    parser.add_argument("file", type=Path, help="made if it does not exist, readable for its owner alone")
    parser.add_argument("name", help="letters, digits and . _ - @")
    parser.add_argument("--remove", action="store_true", help="remove the user")
    options = parser.parse_args(arguments)
    try:
        _check_name(options.name)
        write_user(options.file, options.name, None if options.remove else _ask(options.name))
    except NucleoscopeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (OSError, KeyboardInterrupt, EOFError) as error:
        print(f"error: {options.file}: nothing was changed ({error or 'interrupted'}).", file=sys.stderr)
        return 1
    print(f"{options.name}: {'removed' if options.remove else 'may log in'}. Running pages learn of it when restarted.")
    return 0


def _ask(name: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(f"Password for {name}: ")
    if getpass.getpass("The same again: ") != password:
        raise ParameterError("The two passwords differ; nothing was changed.")
    return password


def _parse(path: Path, lines: list[str]) -> dict[str, PasswordHash]:
    hashes: dict[str, PasswordHash] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, text = (part.strip() for part in line.partition(":"))
        if name in hashes or not _NAME.fullmatch(name):
            what = "a user who is in it already" if name in hashes else "no user's name"
            raise ParameterError(f"{path}: line {number} begins with {what}; see `python -m ui.auth --help`.")
        try:
            hashes[name] = PasswordHash.parse(text)
        except (ValueError, binascii.Error):
            # Without its cause, which holds the hash.
            raise ParameterError(
                f"{path}: line {number} is not name:scrypt$n$r$p$salt$hash of at least this project's strength; write "
                f"it with `python -m ui.auth`."
            ) from None
    return hashes


def _lines(path: Path) -> list[str]:
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ParameterError(f"{path}: the file of users cannot be read ({reason}).") from None
    if os.name == "posix" and mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        raise ParameterError(
            f"{path}: others on this machine may read or change it (mode {stat.S_IMODE(mode):o}); "
            f"run `chmod 600 {path}`."
        )
    return text.splitlines()


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ParameterError(
            f"{name!r}: a user's name has 1 to 64 letters, digits and . _ - @, a letter or digit first."
        )


if __name__ == "__main__":
    sys.exit(main())
