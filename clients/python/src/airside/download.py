"""Fetches the endpoints of one answer with several workers, and hands their rows out in order.

```text
endpoint 0  ──worker 0──▶ Rows ─┐
endpoint 1  ──worker 1──▶ Rows ─┼─▶ batches(), endpoint by endpoint
endpoint 2  ──(waits)     Rows ─┘
```

An endpoint is one whole: when reading it fails, it is read again from its beginning, as long as none of its rows was
handed out. A download that is `whole` hands nothing out before an endpoint is complete; otherwise batches go out as
they come, and workers run ahead of their reader by a few batches only.

A long download outlives its tickets. Then the question is asked anew, and if it is answered of the same data under the
same policy, the endpoints that are left are read by their new tickets.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from itertools import count

import pyarrow as pa
import pyarrow.flight as flight

from airside.connection import Connection, repeatable
from airside.errors import AirsideError, Cancelled, Outdated, Unauthenticated
from airside.issuer import SignInFailed
from airside.progress import Meter

# How often the tickets of one endpoint are replaced.
_RENEWALS = 3

# How many batches a worker runs ahead of the reader; a message has 4 MiB at most.
_AHEAD = 8


class Rows:
    """What came of one endpoint and was not handed out yet. Guarded by the download's condition."""

    def __init__(self, endpoint: flight.FlightEndpoint) -> None:
        self.endpoint = endpoint
        self.batches: deque[pa.RecordBatch] = deque()
        self.handed_out = False
        self.complete = False
        self.failure: BaseException | None = None


class Download:
    """One reading of all endpoints of an answer."""

    def __init__(
        self,
        connection: Connection,
        endpoints: Sequence[flight.FlightEndpoint],
        *,
        purpose: str | None,
        parallel: int,
        whole: bool,
        meter: Meter,
        renew: Callable[[], Sequence[flight.FlightEndpoint] | None],
    ) -> None:
        self._connection = connection
        self._purpose = purpose
        self._whole = whole
        self._meter = meter
        self._renew = renew
        self._renewing = threading.Lock()
        self._renewals = 0
        self._failure: BaseException | None = None
        self._all = [Rows(endpoint) for endpoint in endpoints]
        self._waiting = deque(self._all)
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._readers: set[flight.FlightStreamReader] = set()
        self._workers = [
            threading.Thread(target=self._work, args=(worker,), name=f"airside-download-{worker}", daemon=True)
            for worker in range(min(parallel, len(self._all)))
        ]

    def batches(self) -> Generator[pa.RecordBatch, None, None]:
        """The rows of all endpoints, in order. Ends the download when it is closed or dropped."""
        try:
            for worker in self._workers:
                worker.start()
            for rows in self._all:
                while (batch := self._take(rows)) is not None:
                    yield batch
        finally:
            self._stop()

    def _take(self, rows: Rows) -> pa.RecordBatch | None:
        """The next batch of an endpoint, None after its last."""
        with self._changed:
            while True:
                # Nothing of a whole download is of use once a part of it has failed.
                failure = self._failure if self._whole else rows.failure
                if failure is not None and (self._whole or not rows.batches):
                    raise failure
                if rows.batches and (rows.complete or not self._whole):
                    rows.handed_out = True
                    self._changed.notify_all()
                    return rows.batches.popleft()
                if rows.complete:
                    return None
                self._changed.wait()

    def _work(self, worker: int) -> None:
        while not self._stopped.is_set():
            with self._changed:
                if not self._waiting:
                    return
                rows = self._waiting.popleft()
            self._fetch(rows, worker)

    def _fetch(self, rows: Rows, worker: int) -> None:
        """Reads an endpoint, again if need be."""
        pauses = self._connection.retry.pauses()
        may_sign_in_again = True
        renewable = _RENEWALS
        for attempt in count():
            renewals = self._renewals
            failure = self._read(rows, worker, attempt)
            pause: float | None = None
            if isinstance(failure, Unauthenticated) and not isinstance(failure, SignInFailed) and may_sign_in_again:
                may_sign_in_again, pause = False, 0.0
            elif isinstance(failure, Outdated) and renewable and not rows.handed_out:
                renewable -= 1
                failure, pause = self._renewed(failure, renewals)
            elif isinstance(failure, AirsideError) and repeatable(failure):
                pause = next(pauses, None)
            if not self._settle(rows, failure, again=pause is not None) or pause is None:
                return
            if self._stopped.wait(pause):
                return

    def _renewed(self, outdated: Outdated, renewals: int) -> tuple[Exception, float | None]:
        """Gets new tickets, unless another worker has since. Without a pause there are none for the same rows."""
        with self._renewing:
            if self._renewals == renewals and not self._stopped.is_set():
                try:
                    endpoints = self._renew()
                except Exception as error:
                    return error, None
                if endpoints is None:
                    return outdated, None
                for rows, endpoint in zip(self._all, endpoints, strict=True):
                    rows.endpoint = endpoint
                self._renewals += 1
        return outdated, 0.0

    def _read(self, rows: Rows, worker: int, attempt: int) -> BaseException | None:
        """Reads an endpoint once, to its end or to what ended it."""
        try:
            with self._connection.open(rows.endpoint, self._purpose, worker, worker + attempt) as reader:
                with self._changed:
                    self._readers.add(reader)
                try:
                    while (batch := _next(reader)) is not None:
                        if not self._put(rows, batch):
                            reader.cancel()
                            return Cancelled("the download was stopped")
                finally:
                    with self._changed:
                        self._readers.discard(reader)
            return None
        # What else comes up is the caller's, whose thread this is not.
        except Exception as error:
            return error

    def _put(self, rows: Rows, batch: pa.RecordBatch) -> bool:
        """Adds a batch once there is room for it; false if nobody wants it any more."""
        with self._changed:
            while not self._whole and len(rows.batches) >= _AHEAD and not self._stopped.is_set():
                self._changed.wait()
            if self._stopped.is_set():
                return False
            rows.batches.append(batch)
            if not self._whole:
                self._changed.notify_all()
        self._meter.add(rows=batch.num_rows, size=batch.nbytes)
        return True

    def _settle(self, rows: Rows, failure: BaseException | None, again: bool) -> bool:
        """Notes how a reading ended. True if it begins anew."""
        with self._changed:
            try:
                if failure is None:
                    rows.complete = True
                    self._meter.add(endpoints=1)
                    return False
                if again and not rows.handed_out:
                    lost = rows.batches
                    self._meter.add(rows=-sum(b.num_rows for b in lost), size=-sum(b.nbytes for b in lost))
                    rows.batches.clear()
                    return True
                rows.failure = failure
                self._failure = self._failure or failure
                return False
            finally:
                self._changed.notify_all()

    def _stop(self) -> None:
        self._stopped.set()
        with self._changed:
            readers = list(self._readers)
            self._waiting.clear()
            self._changed.notify_all()
        for reader in readers:
            reader.cancel()
        # One that has just begun to ask cannot be interrupted; it ends by itself, later.
        end = time.monotonic() + 1
        for worker in self._workers:
            if worker.ident is not None and worker is not threading.current_thread():
                worker.join(timeout=max(0.0, end - time.monotonic()))


def _next(reader: flight.FlightStreamReader) -> pa.RecordBatch | None:
    """The next batch of a stream, None after its last."""
    try:
        while (batch := reader.read_chunk().data) is None:
            # A message without rows.
            continue
        return batch
    except StopIteration:
        return None
    except KeyboardInterrupt:
        # So pyarrow calls a cancelled stream. No thread but the main one is ever interrupted.
        raise Cancelled("the stream was cancelled") from None
