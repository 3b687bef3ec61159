"""The page's queue: fair, bounded, told in words when it is full, and ended without losing what runs.

Gradio's own queue lets one visitor fill it, and answers HTTP 503 when it is full, in whose place its clients show a
sentence of their own. This one takes visitors by turns, and answers in the way of any other result.
"""

import asyncio
import time
from typing import Any, Literal

import fastapi
from gradio.data_classes import PredictBodyInternal
from gradio.queueing import BlockFunction, Event, EventQueue, Queue
from gradio.route_utils import get_fn
from gradio.server_messages import ProcessCompletedMessage

from ui.logs import log
from ui.metrics import Metrics
from ui.serving_http import request_id
from ui.serving_options import Options
from ui.serving_work import CLOSING, Turns, Work, set_current_work

NETWORK = "model"  # the concurrency id of what uses the network
UNKNOWN_S = 5.0  # taken for the time of a request, while none has been done
Pushed = tuple[bool, str | list[dict[str, Any]], Literal["success", "error", "queue_full", "validator_error"]]


class WorkQueue(Queue):
    """The queue of one page.

    Args:
        blocks: the page.
        options: how many may wait, and how many work.
        metrics: where requests are counted.
        turns: at the network; closed when the queue is.
    """

    def __init__(self, blocks: Any, options: Options, metrics: Metrics, turns: Turns) -> None:
        super().__init__(
            live_updates=True,
            concurrency_count=blocks.max_threads,
            update_intervals=1,
            max_size=None,  # see push
            blocks=blocks,
            default_concurrency_limit=1,
        )
        self._options, self._metrics, self._turns = options, metrics, turns
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closing = False
        self.ANALYTICS_MAX_EVENTS = 1  # Gradio's statistics of ten thousand requests, made anew after each of them

    def start(self) -> None:
        """See Gradio: called in the server's loop when it begins."""
        self._loop = asyncio.get_running_loop()
        super().start()

    def compute_analytics_summary(self, records: Any) -> dict[str, Any]:
        """Nothing: ``/metrics`` tells more."""
        return {"functions": {}}

    @property
    def running(self) -> int:
        """Requests that are worked on, or take turns at the network."""
        return sum(len(job) for job in self.active_jobs if job)

    def create_event_queue_for_fn(self, block_fn: BlockFunction) -> None:
        """See Gradio; what uses the network takes turns there, so that several visitors may be under way."""
        super().create_event_queue_for_fn(block_fn)
        if block_fn.concurrency_id == NETWORK:
            limit = max(self._options.visits, self._options.concurrency)
            self.event_queue_per_concurrency_id[NETWORK].concurrency_limit = limit

    async def push(self, body: PredictBodyInternal, request: fastapi.Request, username: str | None) -> Pushed:
        """Let a request join, or answer it at once that the server is busy, or about to end."""
        if body.fn_index is None:
            return await super().push(body, request, username)
        fn = get_fn(self.blocks, None, body)
        waiting = self.event_queue_per_concurrency_id.get(str(fn.concurrency_id))
        if self.closing:
            return self._answer(body, request, username, fn, "closing", CLOSING)
        if waiting is not None and (busy := self._busy(waiting, body.session_hash)):
            return self._answer(body, request, username, fn, "busy", busy)
        pushed = await super().push(body, request, username)
        if pushed[2] == "success":
            self._interleave(self.event_queue_per_concurrency_id[fn.concurrency_id])
        return pushed

    def _busy(self, waiting: EventQueue, session_hash: str | None) -> str | None:
        size, most = len(waiting.queue), self._options.queue_size
        own = sum(event.session_hash == session_hash for event in waiting.queue)
        if size < most and own < max(most // 2, 1):
            return None
        seconds = max(round(self._seconds_for(waiting)), 1)
        who = f"{size} are waiting" if size >= most else f"{own} of your own are waiting"
        return f"busy: {who}; try again in about {seconds} second{'s' * (seconds != 1)}."

    def _seconds_for(self, waiting: EventQueue) -> float:
        """About how long until half of those who wait have had their turn, after which there is room."""
        known = self.process_time_per_fn
        each = [known[event.fn].avg_time if event.fn in known else UNKNOWN_S for event in waiting.queue]
        return sum(each) / 2 / self._options.concurrency

    def _interleave(self, waiting: EventQueue) -> None:
        """Everybody's first request, then everybody's second, and so on; of equal ones who came first."""
        seen: dict[str, int] = {}
        ranks: dict[str, int] = {}
        for event in sorted(waiting.queue, key=lambda each: each.enqueue_time):
            ranks[event._id] = seen[event.session_hash] = seen.get(event.session_hash, -1) + 1
        before = [event._id for event in waiting.queue]
        waiting.queue.sort(key=lambda event: (ranks[event._id], event.enqueue_time))
        if before != [event._id for event in waiting.queue]:
            self.broadcast_estimations(waiting.concurrency_id)

    def _answer(
        self,
        body: PredictBodyInternal,
        request: fastapi.Request,
        username: str | None,
        fn: BlockFunction,
        outcome: str,
        text: str,
    ) -> Pushed:
        event = Event(body.session_hash, fn, request, username)
        body.session_hash = event.session_hash
        if event.session_hash not in self.pending_messages_per_session:
            self.pending_messages_per_session[event.session_hash] = asyncio.Queue()
        self.pending_event_ids_session.setdefault(event.session_hash, set()).add(event._id)
        self._dismiss(event, outcome, text)
        return True, event._id, "success"

    def _dismiss(self, event: Event, outcome: str, text: str) -> None:
        action, request = name_of(event.fn), request_id(event.request)
        if event.fn.api_visibility == "public":
            text = f"{text} (request {request})"
        output = {"error": text, "duration": None, "visible": True, "title": "Busy"}
        self.send_message(event, ProcessCompletedMessage(output=output, success=False))
        self._metrics.refused(action, outcome)
        log("work", {"request": request, "action": action, "outcome": outcome})

    async def process_events(self, events: list[Event], batch: bool, begin_time: float, fn: BlockFunction) -> None:
        """See Gradio; what it does is noted in a :class:`Work`, which the function's thread finds."""
        event = events[0]
        work = Work(request_id(event.request), name_of(fn), fn.api_visibility == "public", self._options.time_limit)
        work.seconds["wait"] = time.monotonic() - event.enqueue_time  # type: ignore[assignment]
        set_current_work(work)
        try:
            await super().process_events(events, batch, begin_time, fn)
        except asyncio.CancelledError:
            work.outcome = "left"
            raise
        finally:
            if not event.alive:
                work.outcome = "left"
            self._done(work)

    def _done(self, work: Work) -> None:
        if work.program and work.pictures:
            work.reach("export")
        seconds = time.perf_counter() - work.began
        self._metrics.done(work, seconds)
        told: dict[str, object] = {
            "request": work.request,
            "action": work.action,
            "outcome": work.outcome,
            "kind": ",".join(work.failures) or None,
            "seconds": round(seconds, 4),
        }
        told |= {f"{stage}_s": round(spent, 4) for stage, spent in work.seconds.items()}
        if work.pictures:
            told |= {"pictures": work.pictures, "pixels": work.pixels, "nuclei": work.nuclei}
        log("work", told)

    def close_to_new(self) -> None:
        """Begin nothing new: who waits, and who comes, is told so. May be called from any thread."""
        self.closing = True
        self._turns.close()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._dismiss_all)

    def _dismiss_all(self) -> None:
        for waiting in self.event_queue_per_concurrency_id.values():
            while waiting.queue:
                event = waiting.queue.pop(0)
                self.event_ids_to_events.pop(event._id, None)
                self._dismiss(event, "closing", CLOSING)


def name_of(fn: BlockFunction) -> str:
    """What an action is called in the log and the metrics: an endpoint's own name, or the page's function."""
    if fn.api_visibility == "public":
        return str(fn.api_name)
    return "page:" + str(fn.name or "other").strip("<>_")
