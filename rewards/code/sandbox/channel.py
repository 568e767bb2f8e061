"""Frames to and from a candidate, under a deadline that the parent alone keeps."""

from __future__ import annotations

import os
import select
import struct
import time
from dataclasses import dataclass, field

_HEAD = struct.Struct(">I")
_PIECE = 65536
REPLY_MARGIN = 4096
"""Room that a reply has beside the candidate's value: status, detail and punctuation."""


class DeadlineError(Exception):
    """No whole reply came in time."""


class ClosedError(Exception):
    """The other end has ended, or has closed its descriptor."""


class FloodError(Exception):
    """More bytes came, or were announced, than allowed."""


@dataclass
class Sink:
    """A pipe that is read beside the replies, up to a number of bytes: a program's stdout."""

    descriptor: int
    limit: int
    data: bytearray = field(default_factory=bytearray)
    open: bool = True

    def read(self) -> None:
        """Read what is there. Raises FloodError beyond the limit."""
        piece = os.read(self.descriptor, _PIECE)
        self.open = bool(piece)
        self.data += piece
        if len(self.data) > self.limit:
            del self.data[self.limit :]
            raise FloodError

    def drain(self) -> None:
        """Read to the end; all writers must be dead. Raises FloodError beyond the limit."""
        while self.open:
            self.read()


class Channel:
    """Both pipes of one candidate, on the parent's side.

    Replies are read with `read`, never `recvmsg`: no descriptor can be planted on the parent.
    """

    def __init__(self, requests: int, replies: int, limit: int) -> None:
        """Own the write end `requests` and the read end `replies`; `limit` bytes per reply."""
        self._requests, self._replies, self._limit = requests, replies, limit + REPLY_MARGIN
        self._buffer = bytearray()
        self._unsent = memoryview(b"")
        os.set_blocking(requests, False)
        self._reading = select.poll()
        self._reading.register(replies, select.POLLIN)

    def close(self) -> None:
        """Close both ends."""
        os.close(self._requests)
        os.close(self._replies)

    def send(self, *texts: bytes) -> None:
        """Send frames; what the pipe does not take goes out in `receive`. Raises ClosedError."""
        if self._buffer:
            raise ClosedError("answered without being asked")
        frames = (part for text in texts for part in (_HEAD.pack(len(text)), text))
        self._unsent = memoryview(b"".join((self._unsent, *frames)))
        self._push()

    def receive(self, deadline: float, sink: Sink | None = None) -> bytes:
        """Return the next frame, by `deadline` (`time.monotonic()`).

        Raises DeadlineError, ClosedError or FloodError.
        """
        if self._unsent or sink is not None:
            return self._together(deadline, sink)
        while (frame := self._frame()) is None:
            left = deadline - time.monotonic()
            if left <= 0 or not self._reading.poll(left * 1000):
                raise DeadlineError
            self._pull()
        return frame

    def _together(self, deadline: float, sink: Sink | None) -> bytes:
        """Do the same with requests longer than a pipe, or with a sink to be emptied."""
        while (frame := self._frame()) is None:
            poll = select.poll()
            poll.register(self._replies, select.POLLIN)
            if self._unsent:
                poll.register(self._requests, select.POLLOUT)
            if sink is not None and sink.open:
                poll.register(sink.descriptor, select.POLLIN)
            wait = deadline - time.monotonic()
            ready = dict(poll.poll(wait * 1000)) if wait > 0 else {}
            if not ready:
                raise DeadlineError
            if self._requests in ready:
                self._push()
            if sink is not None and sink.descriptor in ready:
                sink.read()
            if self._replies in ready:
                self._pull()
        return frame

    def _push(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._requests, self._unsent) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent = memoryview(b"")  # what has been answered can still be read
            raise ClosedError("reads no more requests") from None

    def _pull(self) -> None:
        piece = os.read(self._replies, _PIECE)
        if not piece:
            raise ClosedError("ended without an answer")
        self._buffer += piece

    def _frame(self) -> bytes | None:
        if len(self._buffer) < _HEAD.size:
            return None
        (size,) = _HEAD.unpack_from(self._buffer)
        if size > self._limit:
            raise FloodError
        end = _HEAD.size + size
        if len(self._buffer) < end:
            return None
        frame = bytes(self._buffer[_HEAD.size : end])
        del self._buffer[:end]
        return frame
