"""The file of users, its command, and how guessing is slowed down."""

import asyncio
import base64
import hashlib
import itertools
import os
import stat
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException

from segmentation.errors import ParameterError
from tests.security.visitor import in_other_thread
from ui.auth import Users, main, write_user
from ui.password_hash import COST, PasswordHash
from ui.throttle import FORGOTTEN, FREE, KEPT, LONGEST_WAIT, PATIENCE, Throttle

PASSWORD = "a long enough password"


@pytest.fixture(scope="module")
def line() -> str:
    return f"ada:{PasswordHash.of(PASSWORD)}"


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_the_hash_is_scrypt_with_a_salt_of_its_own(line: str) -> None:
    name, kind, n, r, p, salt, digest = line.replace(":", "$").split("$")
    assert (name, kind, int(n), int(r), int(p)) == ("ada", "scrypt", *COST)
    oracle = hashlib.scrypt(
        PASSWORD.encode(), salt=base64.b64decode(salt), n=int(n), r=int(r), p=int(p), maxmem=2**26, dklen=32
    )
    assert base64.b64decode(digest) == oracle
    assert str(PasswordHash.of(PASSWORD)) != line.partition(":")[2]  # another salt
    assert PASSWORD not in line
    assert digest not in repr(PasswordHash.parse(line.partition(":")[2]))


def test_users_by_name_and_password(line: str, tmp_path: Path) -> None:
    users = Users.load(written(tmp_path / "users", f"# people\n\n{line}\n"))
    assert users.check("ada", PASSWORD)
    assert not users.check("ada", PASSWORD + " ")
    assert not users.check("Ada", PASSWORD)
    assert not users.check("", "")


def test_the_same_letters_typed_otherwise_are_the_same_password() -> None:
    composed, decomposed = "n\u00fcclei are cells", "nu\u0308clei are cells"
    assert PasswordHash.of(composed).matches(decomposed)


def test_unknown_users_take_as_long(line: str, tmp_path: Path) -> None:
    users = Users.load(written(tmp_path / "users", line))
    seconds: dict[str, list[float]] = {"ada": [], "nobody": []}
    for number, name in itertools.product(range(3), seconds):
        users._throttle = Throttle()
        start = time.perf_counter()
        assert not users.check(name, f"wrong {number}")
        seconds[name].append(time.perf_counter() - start)
    known, unknown = (statistics.median(seconds[name]) for name in seconds)
    assert 0.5 < known / unknown < 2
    assert unknown > 0.02  # and both do hash


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no user"),
        ("# nobody\n", "holds no user"),
        ("ada:plain", "line 1 is not name:scrypt"),
        ("LINE\nLINE", "line 2 begins with a user who is in it already"),
        ("LINE\n\nbad name:x", "line 3 begins with no user's name"),
        ("ada:scrypt$1024$8$1$AAAAAAAAAAAAAAAAAAAAAA==$" + "A" * 43 + "=", "line 1 is not"),  # too weak
        ("ada:scrypt$16384$8$999999$AAAAAAAAAAAAAAAAAAAAAA==$" + "A" * 43 + "=", "line 1 is not"),  # would never end
        ("ada:scrypt$1073741824$8$1$AAAAAAAAAAAAAAAAAAAAAA==$" + "A" * 43 + "=", "line 1 is not"),
        ("ada:scrypt$16384$8$1$c2hvcnQ=$" + "A" * 43 + "=", "line 1 is not"),
        ("ada:scrypt$x$8$1$AAAA$AAAA", "line 1 is not"),
    ],
)
def test_a_file_that_is_none_is_told_by_its_line_and_never_by_its_hash(
    text: str, told: str, line: str, tmp_path: Path
) -> None:
    text = text.replace("LINE", line)
    with pytest.raises(ParameterError, match=told) as caught:
        Users.load(written(tmp_path / "users", text))
    message = str(caught.value)
    assert "AAAA" not in message
    assert line.split("$")[-1] not in message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="cannot be read"):
        Users.load(tmp_path / "none")


@pytest.mark.parametrize(("mode", "refused"), [(0o600, False), (0o640, False), (0o644, True), (0o620, True)])
def test_what_others_may_read_or_change_is_refused(mode: int, refused: bool, line: str, tmp_path: Path) -> None:
    path = written(tmp_path / "users", line, mode)
    if refused:
        with pytest.raises(ParameterError, match="run `chmod 600"):
            Users.load(path)
    else:
        Users.load(path)


def run(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ui.auth", *arguments]
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=60)


def test_the_command_adds_changes_and_removes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "users"
    old = os.umask(0)  # whatever it is
    try:
        done = run(str(path), "ada", typed=f"{PASSWORD}\n")
    finally:
        os.umask(old)
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    write_user(path, "bob", "another password")
    write_user(path, "ada", "quite another one")
    users = Users.load(path)
    assert users.check("ada", "quite another one")
    assert not users.check("ada", PASSWORD)
    assert main([str(path), "ada", "--remove"]) == 0
    assert [line.split(":")[0] for line in path.read_text().splitlines()] == ["bob"]
    assert main([str(path), "ada", "--remove"]) == 1
    assert "there is no user 'ada'" in capsys.readouterr().err
    assert [item.name for item in tmp_path.iterdir()] == ["users"]


@pytest.mark.parametrize(
    ("name", "password"), [("ada", "short"), ("a:b", PASSWORD), ("ada", "x" * 1025), ("", PASSWORD)]
)
def test_what_cannot_be_a_user_is_refused(name: str, password: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError) as caught:
        write_user(tmp_path / "users", name, password)
    assert password not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_is_asked_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([PASSWORD, "something else", PASSWORD, PASSWORD])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(answers))
    assert main([str(tmp_path / "users"), "ada"]) == 1
    assert not (tmp_path / "users").exists()
    assert main([str(tmp_path / "users"), "ada"]) == 0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_wrong_tries_take_longer_and_longer_up_to_a_limit() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    waits = []
    for _ in range(12):
        while (wait := throttle.reserve("ada")) is None:
            clock.now += 1
        start = clock.now
        clock.now += wait
        waits.append(start)
    gaps = [b - a for a, b in itertools.pairwise(waits)]
    assert waits[:FREE] == [0.0] * FREE
    assert max(gaps) <= LONGEST_WAIT
    assert waits[-1] > 100  # twelve guesses took minutes
    assert throttle.reserve("bob") == 0  # nobody else waits
    throttle.right("ada")
    assert throttle.reserve("ada") == 0


def test_a_crowd_of_tries_is_no_way_around() -> None:
    throttle = Throttle(Clock())
    turns = [throttle.reserve("ada") for _ in range(1000)]
    assert sum(turn is not None for turn in turns) < 10
    assert all(turn <= PATIENCE for turn in turns if turn is not None)


def test_memory_of_tries_is_bounded_and_ends() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    for number in range(KEPT + 100):
        throttle.reserve(f"name {number}" * 1000)
    assert len(throttle) <= KEPT
    for _ in range(FREE + 3):
        throttle.reserve("ada")
    clock.now += FORGOTTEN + LONGEST_WAIT
    assert throttle.reserve("ada") == 0


def test_the_server_goes_on_while_somebody_logs_in(line: str, tmp_path: Path) -> None:
    users = Users.load(written(tmp_path / "users", line))

    async def both() -> tuple[bool, float]:
        trying = asyncio.create_task(users.login("ada", PASSWORD))
        start = last = time.perf_counter()
        longest = 0.0
        while not trying.done():
            await asyncio.sleep(0.001)
            longest, last = max(longest, time.perf_counter() - last), time.perf_counter()
        return trying.result(), longest / (last - start)

    passed, standstill = in_other_thread(both())
    assert passed
    assert standstill < 0.5  # of the time that the hash takes

    async def crowd() -> list[object]:
        users._judge = lambda *_: time.sleep(0.01) or False  # type: ignore[method-assign, func-returns-value]
        tries = (users.login(f"name{number}", "wrong") for number in range(200))
        return await asyncio.gather(*tries, return_exceptions=True)

    refused = [answer for answer in in_other_thread(crowd()) if isinstance(answer, HTTPException)]
    assert len(refused) > 100
    assert {answer.status_code for answer in refused} == {429}
