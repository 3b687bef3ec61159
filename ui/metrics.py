"""What the server counts, in Prometheus's text format. Numbers alone: nothing of visitors or their pictures."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from ui.serving_work import STAGES, Work

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """One server's counters, histograms and gauges."""

    def __init__(self) -> None:
        disable_created_metrics()  # when each series began: as many lines again, which nobody asks for
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # memory, processor time, open files
        PlatformCollector(registry=self.registry)
        self._http = Counter(
            "nucleoscope_http_requests", "HTTP requests answered", ["method", "route", "status"], registry=self.registry
        )
        self._requests = Counter(
            "nucleoscope_requests", "Actions asked for, by what became of them", ["action", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._failures = Counter(
            "nucleoscope_failures", "Pictures and requests that failed, by class of error", ["kind"],
            registry=self.registry,
        )  # fmt: skip
        self._request_seconds = Histogram(
            "nucleoscope_request_seconds", "Seconds from the queue's head to the answer", ["action"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self._stages = Histogram(
            "nucleoscope_stage_seconds", "Seconds of a request that each stage took", ["stage"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        for stage in STAGES:
            self._stages.labels(stage)
        self._pictures = Counter("nucleoscope_pictures", "Pictures segmented, pages counted", registry=self.registry)
        self._pixels = Counter("nucleoscope_pixels", "Pixels segmented", registry=self.registry)
        self._nuclei = Counter("nucleoscope_nuclei", "Nuclei found", registry=self.registry)

    def build(self, values: dict[str, str]) -> None:
        """What runs here: versions, model, engine."""
        Info("nucleoscope_build", "What runs here", registry=self.registry).info(values)

    def gauge(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """A number that is looked up when it is asked for."""
        Gauge(f"nucleoscope_{name}", meaning, registry=self.registry).set_function(value)

    def answered(self, method: str, route: str, status: int) -> None:
        """Count an HTTP request."""
        self._http.labels(method, route, str(status)).inc()

    def refused(self, action: str, outcome: str) -> None:
        """Count a request that did not get as far as work."""
        self._requests.labels(action, outcome).inc()

    def done(self, work: Work, seconds: float) -> None:
        """Count a request's work."""
        self._requests.labels(work.action, work.outcome).inc()
        self._request_seconds.labels(work.action).observe(seconds)
        for kind, times in work.failures.items():
            self._failures.labels(kind).inc(times)
        for stage, spent in work.seconds.items():
            self._stages.labels(stage).observe(spent)
        self._pictures.inc(work.pictures)
        self._pixels.inc(work.pixels)
        self._nuclei.inc(work.nuclei)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)
