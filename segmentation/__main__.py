"""``python -m segmentation IMAGES... --out DIR``: pictures to nuclei; ``python -m segmentation doctor``: a check-up."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from segmentation.command_options import build_parser
from segmentation.errors import NucleoscopeError

CURE = "close it where it is open, or name another --out; --resume keeps what is done."


def main(arguments: list[str] | None = None) -> int:
    """Run; returns 0, 1 if anything failed, or 130 if it was stopped. One failure never stops the other pictures."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["doctor"]:
        from segmentation.doctor import main as doctor

        return doctor(arguments[1:])
    options = build_parser().parse_args(arguments)
    if not options.quiet:
        print("Looking for pictures", flush=True)  # before what takes seconds to load
    try:
        from segmentation.batch_command import run

        with _termination_as_interrupt():
            return run(options)
    except KeyboardInterrupt:
        return 130
    except NucleoscopeError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or options.out}: cannot be written ({error.strerror}); {CURE}")


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Inside, SIGTERM, with which clusters announce the end of a job's time, stops as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():  # which alone may say what signals do
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(message: str) -> int:
    from segmentation.terminal import printable

    print(printable(f"error: {message}"), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
