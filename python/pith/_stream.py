"""Calls at work: each runs on a thread of its own, so that the caller's can be interrupted."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

from . import _library as c
from ._results import Event, Reply

_DONE = object()


class Work:
    """One call of the library, begun when this is made. What it tells comes from events()."""

    def __init__(self, cancel: Callable[[], None], call: Callable, wants_events: bool):
        self._cancel = cancel
        self._queue: queue.SimpleQueue = queue.SimpleQueue()
        self._ended = False
        self._outcome = None
        self._error: BaseException | None = None
        # A null function where nobody listens. Kept as long as the library may call it.
        self._callback = c.CALLBACK(self._tell) if wants_events else c.CALLBACK()
        self._thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self._thread.start()

    def _run(self, call: Callable) -> None:
        try:
            self._outcome = call(self._callback)
        except BaseException as error:  # told to whoever waits
            self._error = error
        self._ended = True
        self._queue.put(_DONE)

    def _tell(self, _user_data, event) -> int:
        self._queue.put(Event._of(event.contents))
        return 0

    def events(self) -> Iterator[Event]:
        """Until the call has ended. Whatever else ends the loop cancels the call."""
        try:
            while (event := self._queue.get()) is not _DONE:
                yield event
        finally:
            self.stop()

    def stop(self) -> None:
        """Cancels what is still at work, and waits for its end: a step at most."""
        while not self._ended:
            self._cancel()
            self._thread.join(0.05)
        self._thread.join()

    def outcome(self):
        if self._error is not None:
            raise self._error
        return self._outcome


class Stream:
    """The text of a reply as it is written; `reply` holds all of it once that is done. Leaving
    the loop early, or close(), cancels."""

    def __init__(self, work: Work):
        self._work = work
        self._pieces = self._read()
        self.reply: Reply | None = None

    def _read(self) -> Iterator[str]:
        for event in self._work.events():
            if event.kind == "text" and event.text:
                yield event.text
        self.reply = self._work.outcome()

    def __iter__(self) -> Iterator[str]:
        return self._pieces

    def __next__(self) -> str:
        return next(self._pieces)

    def close(self) -> None:
        self._pieces.close()
        self._work.stop()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_exception) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
