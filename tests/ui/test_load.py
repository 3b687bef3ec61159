"""Many visitors at once: turns at the network, a queue that is full, a server that ends while they wait."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from tests.conftest import squares
from tests.ui.server import Inside, inside, until
from ui.serving_work import CLOSING, ClosingError, Turns, by_turns


@pytest.fixture(scope="module")
def running(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    with inside(bundle_folder, tmp_path_factory.mktemp("server"), queue_size=4, visits=1, grace=20) as found:
        yield found


@pytest.fixture
def server(running: Inside) -> Iterator[Inside]:
    running.network.seen.clear()
    yield running
    running.network.go_on.set()


@pytest.fixture
def ask(server: Inside, tmp_path: Path) -> Iterator[Callable[[Client, int], Future]]:
    """Let a client ask for a picture of some width, in the background; several clients may."""
    pool = ThreadPoolExecutor(12)

    def asked(client: Client, width: int) -> Future:
        path = tmp_path / f"{width}.png"
        Image.fromarray(squares(width=width)).save(path)
        return pool.submit(client.predict, picture=handle_file(path), formats=[], api_name="/segment")

    yield asked
    server.network.go_on.set()
    pool.shutdown()


def test_a_full_queue_says_how_many_wait_and_for_how_long(server: Inside, ask: Callable[..., Future]) -> None:
    clients = [Client(server.address, verbose=False) for _ in range(2)]
    server.network.go_on.clear()
    waiting = []
    for number in range(5):
        waiting.append(ask(clients[number % 2], 100 + number))
        until(lambda: server.number("nucleoscope_running") + server.number("nucleoscope_waiting") == len(waiting))
    with pytest.raises(AppError, match=r"busy: 4 are waiting; try again in about \d+ seconds?\. \(request \w+\)"):
        ask(clients[0], 96).result(20)
    status, text, _ = server.get("readyz")
    assert status == 503
    assert "The queue is full: 4 are waiting." in text
    assert server.number('nucleoscope_requests_total{action="segment",outcome="busy"}') == 1
    server.network.go_on.set()
    assert [each.result(30)[0]["nuclei"] for each in waiting] == [6] * 5  # nobody is lost for it
    assert server.get("readyz")[0] == 200


def test_who_sends_many_waits_longer_than_who_sends_one(server: Inside, ask: Callable[..., Future]) -> None:
    many, one = (Client(server.address, verbose=False) for _ in range(2))
    server.network.go_on.clear()
    asked = []
    for width in (101, 102, 103):
        asked.append(ask(many, width))
        until(lambda: server.number("nucleoscope_running") + server.number("nucleoscope_waiting") == len(asked))
    with pytest.raises(AppError, match="busy: 2 of your own are waiting"):  # half of the places are for others
        ask(many, 104).result(20)
    asked.append(ask(one, 200))
    until(lambda: server.number("nucleoscope_waiting") == 3)
    server.network.go_on.set()
    for each in asked:
        each.result(30)
    assert server.network.seen == [101, 102, 200, 103]


def test_who_waits_is_told_the_place(server: Inside, ask: Callable[..., Future], tmp_path: Path) -> None:
    client = Client(server.address, verbose=False)
    server.network.go_on.clear()
    first = ask(client, 97)
    until(lambda: server.number("nucleoscope_running") == 1)
    Image.fromarray(squares()).save(tmp_path / "six.png")
    job = client.submit(picture=handle_file(tmp_path / "six.png"), formats=[], api_name="/segment")
    until(lambda: job.status().rank == 0 and job.status().queue_size == 1)
    server.network.go_on.set()
    assert first.result(30)[0]["nuclei"] == job.result(30)[0]["nuclei"] == 6


def test_an_end_finishes_what_runs_and_tells_those_who_wait(server: Inside, ask: Callable[..., Future]) -> None:
    """The last one with this server."""
    clients = [Client(server.address, verbose=False) for _ in range(2)]
    server.network.go_on.clear()
    runs = ask(clients[0], 96)
    until(lambda: server.number("nucleoscope_running") == 1)
    waits = ask(clients[1], 97)
    until(lambda: server.number("nucleoscope_waiting") == 1)
    closing = threading.Thread(target=server.server.close)
    server.closed = True
    closing.start()
    with pytest.raises(AppError, match=CLOSING):
        waits.result(20)
    assert server.get("readyz")[0] == 503
    with pytest.raises(AppError, match=CLOSING):  # who comes now
        ask(clients[1], 98).result(20)
    server.network.go_on.set()
    answer, archive = runs.result(30)
    assert answer["nuclei"] == 6
    assert Path(archive).exists()  # the server stays until it was fetched
    closing.join(30)
    assert not closing.is_alive()


def test_turns_are_taken_in_order_and_end_with_the_server() -> None:
    turns, order, told = Turns(1), list[int](), list[int]()
    threads = []

    def take(number: int) -> None:
        try:
            with turns.taken(told.append):
                order.append(number)
        except ClosingError:
            order.append(-number)

    with turns.taken():
        for number in (1, 2, 3):
            threads.append(threading.Thread(target=take, args=(number,)))
            threads[-1].start()
            until(lambda: len(turns._line) == len(threads))
        until(lambda: 3 in told)  # the third one knows that two come first
    for each in threads:
        each.join(10)
    assert order == [1, 2, 3]
    order.clear()
    with turns.taken():
        last = threading.Thread(target=take, args=(4,))
        last.start()
        until(lambda: len(turns._line) == 1)
        turns.close()
        last.join(10)
    assert order == [-4]
    with pytest.raises(ClosingError), turns.taken():
        pass


def test_two_visitors_with_many_files_take_turns() -> None:
    turns, order = Turns(1), list[str]()
    begin = threading.Barrier(2)

    def visit(name: str) -> None:
        def steps() -> Iterator[None]:
            for _ in range(5):
                order.append(name)
                time.sleep(0.05)
                yield

        begin.wait()
        for _ in by_turns(turns, steps(), 5, lambda *_: None):
            pass

    threads = [threading.Thread(target=visit, args=(name,)) for name in "ab"]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    assert len(order) == 10
    repeats = sum(left == right for left, right in pairwise(order[:9]))
    assert repeats <= 1  # one after the other, but for how they begin
