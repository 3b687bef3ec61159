"""What can go wrong on the way to a Hub: connections cut at any byte, either way; refusals; slow and altered bodies."""

import re
import socket
import struct
import threading
from dataclasses import dataclass, field


class Broken(Exception):
    """The connection was cut on purpose."""


@dataclass
class Fault:
    """What happens to the next requests that match.

    Attributes:
        request: regular expression for ``METHOD path``.
        times: how often.
        status: answered in place of what was asked; 0 answers that.
        message: that goes with it.
        headers: that go with it.
        delay_s: before the answer.
        cut: bytes of the body after which the connection closes; None for all.
        swap: old and new bytes of the body, of the same length.
        short: the body ends here, and says that this is all.
    """

    request: str
    times: int = 1
    status: int = 0
    message: str = "as the test wants it"
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0
    cut: int | None = None
    swap: tuple[bytes, bytes] | None = None
    short: int | None = None

    def altered(self, data: bytes) -> bytes:
        """The body that is sent in place of this one."""
        changed = data if self.swap is None else data.replace(*self.swap)
        return changed if self.short is None else changed[: self.short]


class Faults:
    """All that is to go wrong."""

    def __init__(self) -> None:
        self.planned: list[Fault] = []
        self.received, self.sent = 0, 0
        self.stop_receiving: int | None = None  # of all bytes that arrive, the number after which nothing is reachable
        self.stop_sending: int | None = None  # likewise of all bytes that leave
        self.comes_back = False  # one connection dies, and the next is fine
        self.seams: list[tuple[int, int]] = []  # bytes received and sent, as each request was complete
        self._over = threading.Event()
        self._lock = threading.Lock()

    def add(self, request: str, **what: object) -> None:
        self.planned.append(Fault(request, **what))  # type: ignore[arg-type]

    def break_after(self, number: int, *, sending: bool, comes_back: bool) -> None:
        """Cut the connection after so many bytes from now, of those that leave or of those that arrive."""
        self.stop_sending, self.stop_receiving = (number, None) if sending else (None, number)
        self.comes_back = comes_back

    def taken(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.seams.append((self.received, self.sent))
            for fault in self.planned:
                if fault.times > 0 and re.fullmatch(fault.request, f"{method} {path}"):
                    fault.times -= 1
                    return fault
        return None

    def wait(self, seconds: float) -> None:
        self._over.wait(seconds)

    def end(self) -> None:
        """Wake whoever is slow on purpose."""
        self._over.set()

    def reset(self) -> None:
        """All is well again."""
        self.planned.clear()
        self.seams.clear()
        self.received = self.sent = 0
        self.stop_receiving = self.stop_sending = None
        self.comes_back = False

    def room(self, *, sending: bool) -> int | None:
        """Bytes until everything breaks, or None for no end."""
        with self._lock:
            limit, used = (self.stop_sending, self.sent) if sending else (self.stop_receiving, self.received)
            other, spent = (self.stop_receiving, self.received) if sending else (self.stop_sending, self.sent)
            if other is not None and spent >= other:
                return 0
            return None if limit is None else max(limit - used, 0)

    def count(self, number: int, *, sending: bool) -> None:
        with self._lock:
            if sending:
                self.sent += number
            else:
                self.received += number

    def broke(self) -> None:
        if self.comes_back:
            self.stop_receiving = self.stop_sending = None


def reset_connection(connection: socket.socket) -> None:
    """As a cable that is pulled: whatever was on its way is gone."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class MeteredReader:
    """Reads a connection like a file, no further than the fault's last byte."""

    def __init__(self, connection: socket.socket, faults: Faults) -> None:
        self._connection, self._faults, self._held = connection, faults, b""

    def _more(self) -> bool:
        room = self._faults.room(sending=False)
        if room == 0:
            self._faults.broke()
            reset_connection(self._connection)
            raise Broken
        data = self._connection.recv(65536 if room is None else min(65536, room))
        self._faults.count(len(data), sending=False)
        self._held += data
        return bool(data)

    def _take(self, number: int) -> bytes:
        data, self._held = self._held[:number], self._held[number:]
        return data

    def readline(self, limit: int = -1) -> bytes:
        while b"\n" not in self._held and self._more():
            pass
        return self._take(self._held.find(b"\n") + 1 or len(self._held))

    def read(self, number: int) -> bytes:
        while len(self._held) < number and self._more():
            pass
        if len(self._held) < number:
            raise Broken
        return self._take(number)

    def close(self) -> None:
        """Nothing to do."""


class MeteredWriter:
    """Writes to a connection, no further than the fault's last byte."""

    def __init__(self, connection: socket.socket, faults: Faults) -> None:
        self._connection, self._faults = connection, faults
        self.fault: Fault | None = None
        self.closed = False

    def write(self, data: bytes) -> int:
        room = self._faults.room(sending=True)
        part = data if room is None else data[:room]
        self._connection.sendall(part)
        self._faults.count(len(part), sending=True)
        if len(part) < len(data):
            self._faults.broke()
            reset_connection(self._connection)
            raise Broken
        return len(data)

    def body(self, data: bytes) -> None:
        fault = self.fault
        if fault is not None and fault.cut is not None:
            self.write(data[: fault.cut])
            self._connection.shutdown(socket.SHUT_RDWR)
            raise Broken
        self.write(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self.closed = True
