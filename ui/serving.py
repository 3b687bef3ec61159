"""The page as a server: from its start to an end that loses nothing."""

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

import gradio
from starlette.middleware import Middleware

from segmentation import __version__
from segmentation.limits import Limits
from ui.auth import Users
from ui.logs import adopt_server_log, log
from ui.metrics import Metrics
from ui.models import Models
from ui.page import build_page
from ui.protection import protection
from ui.serving_files import ServerFolder
from ui.serving_http import RequestIds, probes
from ui.serving_options import Options
from ui.serving_queue import WorkQueue
from ui.store import Store
from ui.theme import CSS, WORDS, theme

LINGER_S = 5.0  # at most, for those who fetch the files of work that has just ended
QUIET_S = 1.0  # without a request, after which nobody fetches anything
SWEEP_S = 60.0


class Server:
    """One page, served.

    Args:
        models: to choose from.
        options: how it is served.
        limits: of the files that visitors may send.
        users: who may log in; None lets everybody in.
        folder: for temporary files.
    """

    def __init__(
        self, models: Models, options: Options, limits: Limits, users: Users | None, folder: ServerFolder
    ) -> None:
        self._models, self._options, self._limits, self._users = models, options, limits, users
        self._folder, self._metrics = folder, Metrics()
        self._store = Store(options.keep_memory, options.keep_visits)
        self._page = build_page(models, self._store)
        self._queue = self._page._queue = WorkQueue(self._page, options, self._metrics, models.turns)
        self._stop = threading.Event()
        self._http: RequestIds | None = None

    def start(self) -> str:
        """Listen; returns the address.

        Raises:
            OSError: if the port is taken.
        """
        options, metrics = self._options, self._metrics
        self._tell_what_runs()

        def watched(app: object) -> RequestIds:
            self._http = RequestIds(app, metrics)  # type: ignore[arg-type]
            return self._http

        between = [
            Middleware(watched),
            *protection(self._users, fetches=options.fetch and options.mcp, most_bytes=self._limits.upload),
        ]
        _, address, _ = self._page.launch(
            server_name=options.host,
            server_port=options.port,
            root_path=options.root_path,
            auth=self._users.login if self._users else None,  # type: ignore[arg-type]
            inbrowser=options.open,
            theme=theme(),
            css=CSS,
            max_file_size=self._limits.upload,
            footer_links=[],
            ssr_mode=False,
            run_history=False,
            mcp_server=options.mcp,
            i18n=WORDS,
            quiet=True,  # its own lines advertise a public link
            prevent_thread_lock=True,
            state_session_capacity=1000,  # of Gradio's; visitors' pictures are in the store
            app_kwargs={"middleware": between, "routes": probes(metrics, self.reasons, options.metrics)},
        )
        adopt_server_log()
        threading.Thread(target=self._sweep, name="sweep", daemon=True).start()
        engine = self._models.segmenter().engine
        log("started", {"model": self._models.default, "engine": engine, "removed": self._folder.removed or None})
        return address

    def reasons(self) -> list[str]:
        """Why no work can be taken now; empty if it can."""
        found = []
        if self._queue.closing:
            found.append("The server is about to end.")
        if len(self._queue) >= self._options.queue_size:
            found.append(f"The queue is full: {len(self._queue)} are waiting.")
        free = self._folder.free_bytes()
        if free < self._options.least_disk:
            found.append(f"The disk is nearly full: {free:,} bytes are free, {self._options.least_disk:,} are needed.")
        return found

    def stop_on_signals(self) -> None:
        """SIGTERM and Ctrl+C ask for an orderly end; a second one ends the process at once."""

        def stop(number: int, _frame: FrameType | None) -> None:
            for each in (signal.SIGTERM, signal.SIGINT):
                signal.signal(each, signal.SIG_DFL)
            self._stop.set()

        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, stop)

    def wait(self) -> int:
        """Serve until a signal comes, then end in order; returns the exit code."""
        while not self._stop.wait(1.0):
            if not self._page.server.thread.is_alive():
                log("ended", {"reason": "the web server is gone"}, logging.ERROR)
                return 1
        finished = self.close()
        if not finished:
            # Threads that still compute would be torn down with the interpreter under them.
            logging.shutdown()
            sys.stdout.flush()
            os._exit(0)
        return 0

    def close(self) -> bool:
        """Begin nothing new, let what runs finish within the grace, and stop; returns whether it finished."""
        running = self._queue.running
        print(f"Stopping{f': {running} still at work, for at most {self._options.grace:g} s' * bool(running)}.")
        sys.stdout.flush()
        log("stopping", {"running": running})
        start = time.monotonic()
        self._queue.close_to_new()
        while self._queue.running and time.monotonic() - start < self._options.grace:
            time.sleep(0.05)
        left = self._queue.running
        self._linger()
        self._page.close(verbose=False)
        self._page.remove_files(0)  # which may lie elsewhere, see GRADIO_TEMP_DIR
        self._folder.close()
        log("stopped", {"given_up": left, "seconds": round(time.monotonic() - start, 2)})
        return not left

    def _linger(self) -> None:
        """Who has just been given the address of a file may fetch it."""
        start, http = time.monotonic(), self._http
        while http and time.monotonic() - start < LINGER_S:
            if not http.open and time.monotonic() - max(http.last, start) > QUIET_S:
                return
            time.sleep(0.05)

    def _tell_what_runs(self) -> None:
        segmenter, queue, store = self._models.segmenter(), self._queue, self._store
        self._metrics.build(
            {
                "version": __version__,
                "gradio": gradio.__version__,
                "model": self._models.default,
                "revision": segmenter.bundle.revision,
                "engine": segmenter.engine,
                "device": str(segmenter.device),
            }
        )
        self._metrics.gauge("waiting", "Requests in the queue", lambda: len(queue))
        self._metrics.gauge("running", "Requests that are worked on, or take turns at it", lambda: queue.running)
        self._metrics.gauge("visits", "Visitors whose pictures are kept", lambda: len(store))
        self._metrics.gauge("ready", "Whether /readyz says yes", lambda: not self.reasons())
        self._metrics.gauge("disk_free_bytes", "Of the disk that holds visitors' files", self._folder.free_bytes)

    def _sweep(self) -> None:
        while not self._stop.wait(min(SWEEP_S, self._options.keep_files / 6)):
            self._page.remove_files(self._options.keep_files)
            self._folder.sweep(self._options.keep_files)


def load_users(path: str | None) -> Users | None:
    """The users of ``--auth``, if it was given.

    Raises:
        ParameterError: see :meth:`ui.auth.Users.load`.
    """
    return Users.load(Path(path)) if path else None
