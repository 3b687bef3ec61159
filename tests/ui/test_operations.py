"""What runs a server relies on: probes, metrics, logs, options, an orderly end, and no files left."""

import io
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import ROOT, squares
from tests.ui.server import Inside, inside, started, until
from ui.logs import LOG, log, set_up_log
from ui.serving_files import PREFIX, ServerFolder, remove_left_over
from ui.serving_work import LOST


@pytest.fixture(scope="module")
def server(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    with inside(bundle_folder, tmp_path_factory.mktemp("server"), time_limit=1, grace=5) as found:
        yield found


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(squares()).save(tmp_path / "patient-77.png")
    return tmp_path / "patient-77.png"


def test_probes(server: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    assert server.get("healthz")[:2] == (200, "ok")
    assert json.loads(server.get("readyz")[1]) == {"ready": True, "reasons": []}
    monkeypatch.setattr(ServerFolder, "free_bytes", lambda self: 1000)
    status, text, _ = server.get("readyz")
    assert status == 503
    assert json.loads(text)["reasons"] == ["The disk is nearly full: 1,000 bytes are free, 1,073,741,824 are needed."]


def test_metrics_are_prometheus_and_count(server: Inside, picture: Path, tmp_path: Path) -> None:
    client = Client(server.address, verbose=False)
    ok = 'nucleoscope_requests_total{action="segment",outcome="ok"}'
    kind = 'nucleoscope_failures_total{kind="ImageReadError"}'
    before = {name: server.number(name) for name in (ok, kind, "nucleoscope_nuclei_total", "nucleoscope_pixels_total")}
    client.predict(picture=handle_file(picture), api_name="/segment")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(AppError):
        client.predict(picture=handle_file(tmp_path / "bad.png"), api_name="/segment")
    after = {name: server.number(name) - count for name, count in before.items()}
    assert list(after.values()) == [1, 1, 6, 64 * 96]
    text = server.get("metrics")[1]
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    counts = {
        sample.labels["stage"]: sample.value for sample in samples if sample.name == "nucleoscope_stage_seconds_count"
    }
    assert min(counts[stage] for stage in ("wait", "read", "network", "decode", "export")) >= 1
    assert {"process_resident_memory_bytes", "nucleoscope_build_info", "nucleoscope_waiting"} <= {
        s.name for s in samples
    }
    assert "patient" not in text
    routes = {sample.labels["route"] for sample in samples if sample.name == "nucleoscope_http_requests_total"}
    assert {"/gradio_api/queue/join", "/gradio_api/upload", "/healthz"} <= routes
    assert server.get("wp-admin/x.php")[0] == 404
    assert 'route="other",status="404"' in server.get("metrics")[1]  # strangers cannot fill the memory with names


def test_metrics_are_for_this_computer_alone(server: Inside) -> None:
    assert server.get("metrics")[0] == 200
    assert server.get("metrics", X_Forwarded_For="10.1.2.3")[0] == 404  # a proxy here speaks for somebody elsewhere
    assert server.get("healthz", X_Forwarded_For="10.1.2.3")[0] == 200


def test_an_id_goes_with_a_request(
    server: Inside, picture: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert server.get("healthz", X_Request_ID="proxy-0123")[2]["x-request-id"] == "proxy-0123"
    assert server.get("healthz", X_Request_ID="x y=z not one")[2]["x-request-id"].isalnum()
    client = Client(server.address, verbose=False)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with caplog.at_level(logging.INFO, LOG.name):
        with pytest.raises(AppError) as error:
            client.predict(picture=handle_file(tmp_path / "bad.png"), api_name="/segment")
        client.predict(picture=handle_file(picture), api_name="/segment")
    told = [vars(record).get("values", {}) for record in caplog.records]
    work = [each for each in told if each.get("action") == "segment"]
    assert [each["outcome"] for each in work] == ["refused", "ok"]
    assert str(error.value).endswith(f"(request {work[0]['request']})")
    joined = [each["request"] for each in told if each.get("route") == "/gradio_api/queue/join"]
    assert joined == [each["request"] for each in work]  # the same id in the line of HTTP and in that of the work
    assert work[1]["nuclei"] == 6
    assert {"wait_s", "read_s", "network_s", "decode_s", "export_s"} <= set(work[1])
    assert not any(name in json.dumps(told) for name in ("patient-77", "bad.png"))


def test_a_fault_is_told_in_words_and_logged_without_names(
    server: Inside, picture: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("/tmp/patient-77.png")

    monkeypatch.setattr(server.network, "predict_maps", fail)
    client = Client(server.address, verbose=False)
    with pytest.raises(AppError, match=r"Something went wrong .* request \w+\."):
        client.predict(picture=handle_file(picture), api_name="/segment")
    assert server.number('nucleoscope_failures_total{kind="RuntimeError"}') == 1
    fault = next(record for record in caplog.records if record.getMessage() == "fault")
    line = as_logged(fault)
    assert line["error"] == "RuntimeError"
    assert line["where"].endswith(":fail")
    assert "patient" not in json.dumps(line)


def as_logged(record: logging.LogRecord) -> dict:
    before, stream = logging.getLogger().handlers, io.StringIO()
    try:
        set_up_log("json", "info")
        handler = logging.getLogger().handlers[0]
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(stream)
        handler.handle(record)
    finally:
        logging.getLogger().handlers = before
    return json.loads(stream.getvalue())


def test_a_picture_has_a_time_limit(server: Inside, picture: Path) -> None:
    client = Client(server.address, verbose=False)
    before = len(server.network.seen)
    server.network.go_on.clear()
    job = client.submit(picture=handle_file(picture), api_name="/segment")
    until(lambda: len(server.network.seen) > before)
    time.sleep(1.1)
    server.network.go_on.set()
    with pytest.raises(AppError, match="Given up after 1 seconds, which is what this server allows"):
        job.result(20)
    assert client.predict(picture=handle_file(picture), formats=[], api_name="/segment")[0]["nuclei"] == 6


def test_text_log_is_one_line_of_words(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers
    try:
        set_up_log("text", "info")
        log("work", {"request": "ab", "seconds": 0.25, "kind": None, "odd": 'two\nlines "quoted"'})
        log("hidden", {}, logging.DEBUG)
    finally:
        logging.getLogger().handlers = before
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.rstrip().endswith('level=info event=work request=ab seconds=0.25 odd="two\\nlines \\"quoted\\""')


def test_files_of_a_killed_server_are_removed_and_of_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)  # the other server of this process has set it
    alive = ServerFolder(tmp_path)
    try:
        gone, strange = tmp_path / f"{PREFIX}gone", tmp_path / "nucleoscope-mine"
        for folder in (gone, strange):
            folder.mkdir()
            (folder / "server.lock").touch()
            (folder / "patient.png").touch()
        (tmp_path / f"{PREFIX}link").symlink_to(strange)
        assert remove_left_over(tmp_path) == 1
        assert not gone.exists()
        assert alive.path.exists()
        assert (strange / "patient.png").exists()
        empty, full = alive.uploads / "a", alive.uploads / "b"
        for folder in (empty, full):
            folder.mkdir(parents=True)
        (full / "file").touch()
        for folder in (empty, full):
            os.utime(folder, (0, 0))
        alive.sweep(60)
        assert (empty.exists(), full.exists()) == (False, True)
    finally:
        alive.close()
    assert not alive.path.exists()


def test_files_expire_though_others_come_meanwhile(server: Inside, picture: Path, tmp_path: Path) -> None:
    page, ended = server.server._page, threading.Event()

    def come() -> None:
        names = [str(tmp_path / f"{number}.png") for number in range(500)]
        while not ended.is_set():
            for change in (page.upload_file_set.add, page.upload_file_set.discard):
                for name in names:
                    change(name)

    thread = threading.Thread(target=come)
    thread.start()
    page.upload_file_set.add(str(picture))
    page.remove_files(60)
    assert picture.exists()
    for _ in range(20):
        page.remove_files(0)
    ended.set()
    thread.join()
    assert not picture.exists()
    shown = [file for block in page.blocks.values() for file in getattr(block, "keep_in_cache", ())]
    assert shown
    assert all(Path(file).exists() for file in shown)


def test_killed_and_ended_in_order(tmp_path: Path, picture: Path) -> None:
    """As a service: killed at once, started again, told to end."""
    settings = {"TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1", "NUCLEOSCOPE_LOG_FORMAT": "json"}
    with started(ROOT, tmp_path, **settings) as first:
        client = Client(first.address, verbose=False)
        client.predict(picture=handle_file(picture), formats=[], api_name="/segment")
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
    assert len(list(tmp_path.glob(f"{PREFIX}*"))) == 1
    with started(ROOT, tmp_path, **settings) as second:
        (folder,) = tmp_path.glob(f"{PREFIX}*")  # its own: the other is gone
        assert folder.exists()
        assert second.end() == 0
    assert list(tmp_path.glob(f"{PREFIX}*")) == []
    lines = [json.loads(line) for line in second.log.read_text().splitlines() if line.startswith("{")]
    assert [line["event"] for line in lines if line["event"] in ("started", "stopping", "stopped")] == [
        "started",
        "started",
        "stopping",
        "stopped",
    ]
    assert "patient-77" not in second.log.read_text()


def test_a_file_of_a_killed_server_is_told_so(server: Inside, tmp_path: Path) -> None:
    """An open page goes on naming what it uploaded to the server before."""
    gone = {"path": str(tmp_path / "cells.png"), "meta": {"_type": "gradio.FileData"}}
    (tmp_path / "cells.png").write_bytes(b"of another server")
    begun = httpx2.post(f"{server.address}gradio_api/call/describe", json={"data": [gone]}, timeout=60).json()
    told = httpx2.get(f"{server.address}gradio_api/call/describe/{begun['event_id']}", timeout=60).text
    assert "no longer here: the server was restarted" in told
    assert "went wrong" not in told


def test_a_visit_that_the_server_does_not_know_is_told_so(bundle_folder: Path) -> None:
    from ui.actions import Actions
    from ui.models import Models
    from ui.store import Store

    actions = Actions(Models([bundle_folder], "cpu"), Store())
    assert LOST in str(actions.restore("a key of the server before"))
    assert LOST not in str(actions.restore(""))
    assert actions.restore("a key of the server before")[0] == ""  # so that it is told once
