"""What the network and the Hub do wrong: one sentence each, nothing that waits for ever, nothing left half done."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import close_session

from segmentation import Bundle, hub_client, hub_push
from segmentation.bundle import CONFIG, WEIGHTS
from segmentation.errors import HubError
from segmentation.hub_list import models
from segmentation.hub_pull import pull
from segmentation.hub_push import push
from tests.conftest import bright_is_nucleus
from tests.hub_fixtures import NAME
from tests.hub_server import HubServer

pytest_plugins = ("tests.hub_fixtures",)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No picture in the card: the network has nothing to do with what is tested here."""
    monkeypatch.setattr(hub_push, "example_picture", lambda _: None)


def refused(action: Callable[[], object]) -> str:
    with pytest.raises(HubError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert "Traceback" not in message
    return message


STATUS = {
    400: "the Hub does not take this (400: as the test wants it).",
    401: "the Hub does not know your token (401)",
    402: "the Hub does not take this (402: as the test wants it).",
    403: "the Hub refuses this to your token (403: as the test wants it)",
    409: "somebody else changed it at the same moment (409: as the test wants it)",
    413: "too large for the Hub (413",
    429: "too many requests from here (429); run the same again in 5 s.",
    500: "the Hub has a fault of its own (500: as the test wants it)",
    503: "the Hub has a fault of its own (503: as the test wants it)",
}


@pytest.mark.parametrize("status", STATUS)
@pytest.mark.parametrize("step", ["GET /api/whoami-v2", "POST /api/.*/commit/main", "POST .*/batch", "PUT /storage/.*"])
def test_a_refused_push(status: int, step: str, published: HubServer, waits: list[float]) -> None:
    before = published.model(NAME).at("main").oid
    published.faults.add(step, times=100, status=status, headers={"Retry-After": "5"} if status == 429 else {})
    message = refused(lambda: push(other_model(), NAME))
    assert message.startswith(f"{NAME}: ")
    assert STATUS[status] in message
    assert published.model(NAME).at("main").oid == before
    if status == 429 and "batch" in step:
        assert waits == [6.0] * 5  # as long as the Hub asks for, then no more


def other_model() -> Bundle:
    """Not what the Hub has, so that there is something to push."""
    bundle = bright_is_nucleus(threshold=0.9)
    bundle.network.head.bias.data += 1
    return bundle


@pytest.mark.parametrize("status", [403, 429, 500, 502])
def test_a_refused_list(status: int, published: HubServer) -> None:
    published.faults.add("GET /api/models", times=100, status=status)
    assert refused(models).startswith("The list of models: ")


def test_faults_that_pass_are_waited_out(published: HubServer, waits: list[float], bundle_folder: Path) -> None:
    published.faults.add("POST .*/preupload/main", status=503)
    published.faults.add("PUT /storage/.*", status=429, headers={"Retry-After": "2"})
    published.faults.add("PUT /storage/.*", status=500)
    published.faults.add("GET /storage/.*", status=429, headers={"Retry-After": "3"})
    commit = push(other_model(), NAME).commit
    assert pull(NAME).name == commit
    assert waits == [1, 3.0, 2, 4.0]


@pytest.mark.parametrize("headers", [{"Retry-After": "3600"}, {"ratelimit": '"api";r=0;t=3600'}])
def test_an_hour_is_not_waited_for(headers: dict[str, str], published: HubServer, waits: list[float]) -> None:
    published.faults.add("POST .*/preupload/main", times=100, status=429, headers=headers)
    assert "run the same again in 3,600 s." in refused(lambda: push(other_model(), NAME))
    assert waits == []


@pytest.mark.parametrize("step", ["GET /api/whoami-v2", "POST .*/commit/main", "GET /api/models.*"])
def test_a_hub_that_does_not_answer(step: str, published: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    before = published.model(NAME).at("main").oid
    monkeypatch.setattr(hub_client, "TIMEOUT_S", 0.2)
    close_session()  # made anew with that limit
    published.faults.add(step, times=100, delay_s=30)
    action = (lambda: pull(NAME)) if step.startswith("GET /api/models") else (lambda: push(other_model(), NAME))
    assert "did not answer within" in refused(action)
    assert published.model(NAME).at("main").oid == before


def test_nobody_listens(hub: HubServer) -> None:
    hub.shutdown()
    hub.server_close()
    assert f"{hub.url} cannot be reached (" in refused(lambda: pull(NAME))
    assert f"{hub.url} cannot be reached (" in refused(lambda: push(other_model(), NAME))
    assert f"{hub.url} cannot be reached (" in refused(models)


@pytest.mark.parametrize("address", ["not an address", "ftp://hub", "http://"])
def test_an_endpoint_that_is_none(address: str, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    assert f"HF_ENDPOINT={address!r} is no address of a Hub" in refused(models)


@pytest.mark.parametrize("body", [b"<html>log in to the hotel's network</html>", b"[]", b"{}", b""])
def test_an_endpoint_that_is_something_else(body: bytes, published: HubServer) -> None:
    published.faults.add("GET /api/models/lab/nuclei", swap=(b"", b""), short=0, times=100)
    assert "does not answer as a Hub does" in refused(lambda: pull(NAME))
    hub_answer = published.model(NAME).described

    def other(*_: object, **__: object) -> object:
        return body.decode()

    published.faults.reset()
    published.model(NAME).described = other  # type: ignore[method-assign,assignment]
    assert refused(lambda: pull(NAME))
    published.model(NAME).described = hub_answer  # type: ignore[method-assign]
    assert pull(NAME)


def test_a_body_that_ends_early(published: HubServer, bundle_folder: Path) -> None:
    published.faults.add("GET /storage/.*", short=100, times=100)
    assert "a file arrived cut short" in refused(lambda: pull(NAME))
    published.faults.reset()
    assert (pull(NAME) / WEIGHTS).read_bytes() == (bundle_folder / WEIGHTS).read_bytes()


def test_a_connection_that_always_breaks(published: HubServer) -> None:
    published.faults.add("GET /storage/.*", cut=0, times=1000)
    assert "broke; nothing is left half done" in refused(lambda: pull(NAME))


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_bytes_that_change_on_the_way(name: str, published: HubServer, bundle_folder: Path) -> None:
    data = (bundle_folder / name).read_bytes()
    where = "GET /storage/.*" if name == WEIGHTS else f"GET /lab/nuclei/resolve/.*/{name}"
    swap = (data[-9:], bytes(byte ^ 1 for byte in data[-9:]))
    published.faults.add(where, swap=swap)  # once damaged, then whole: fetched again without a word
    assert (pull(NAME) / name).read_bytes() == data
    commit = push(other_model(), NAME).commit
    data = published.model(NAME).file(commit, name).data
    swap = (data[-9:], bytes(byte ^ 1 for byte in data[-9:]))
    published.faults.add(where, swap=swap, times=2)
    assert f"{name} does not match the hash" in refused(lambda: pull(NAME))
    assert (pull(NAME) / name).read_bytes() == data


def test_a_disk_that_is_full(published: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download._chmod_and_move", full)
    assert "No space left on device); free the disk, or set HF_HOME" in refused(lambda: pull(NAME))


def cut_points(whole: int, seams: list[int]) -> list[int]:
    """Numbers of bytes: the first, the last, one too many, those around each request's end, and a raster over all."""
    near = {seam + shift for seam in seams for shift in (-1, 0, 1)}
    return sorted({*range(0, whole, whole // 16), *near, 1, whole - 1, whole, whole + 1} - {-1})


def pushed(model: Bundle) -> str:
    """The message of a push that failed, or nothing."""
    close_session()
    try:
        push(model, NAME)
    except HubError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("sending", [False, True], ids=["requests", "answers"])
@pytest.mark.parametrize("comes_back", [False, True], ids=["for good", "once"])
def test_a_push_that_dies_at_any_byte_leaves_the_old_or_the_new(
    sending: bool, comes_back: bool, published: HubServer
) -> None:
    repository, faults, model = published.model(NAME), published.faults, other_model()
    main, old = repository.branches["main"], repository.at("main").files
    faults.reset()
    assert pushed(model) == ""
    new = repository.at("main").files
    seams = [sent if sending else received for received, sent in faults.seams]
    whole = faults.sent if sending else faults.received
    assert len(seams) == 9  # whoami, create, info, validate, preupload, batch, PUT, verify, commit
    outcomes = []
    for point in cut_points(whole, seams):
        repository.branches["main"] = main
        published.hub.objects.clear()
        faults.reset()
        faults.break_after(point, sending=sending, comes_back=comes_back)
        message = pushed(model)
        found = repository.at("main").files
        assert found in (old, new), f"cut after {point} bytes"
        assert message == "" or re.search("broke|cannot be reached", message)
        assert message or found == new, "a push that says it went well did"
        outcomes.append((found == new, message == ""))
        if found == old:
            faults.reset()
            assert pushed(model) == ""
            assert repository.at("main").files == new, "run again, it ends well"
    # Stopped on the way; arrived, but the answer was lost; arrived, and told so. There is no fourth.
    assert set(outcomes) == {(False, False), (True, False), (True, True)}
