"""What can go wrong, as exceptions that keep the gateway's words.

pyarrow raises a mixture of its own, Flight's and Python's exceptions, and wraps the gateway's message in words of three
layers. `translate` is the one place that knows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.flight as flight


class AirsideError(Exception):
    """A call that was not answered. `str()` of it is the gateway's message."""

    code = "UNKNOWN"
    """The gRPC code."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        """The gateway's words."""
        found = _ERROR_ID.search(message)
        self.error_id = found[1] if found else None
        """The error id in them, which the gateway's log has too; None if there is none."""

    def __str__(self) -> str:
        return self.message


class Unauthenticated(AirsideError):
    """No credentials, wrong or expired ones."""

    code = "UNAUTHENTICATED"


class PermissionDenied(AirsideError):
    """It may be known of, and not read; or access has ended."""

    code = "PERMISSION_DENIED"


class PurposeNeeded(PermissionDenied):
    """It may be read for a purpose, and none of those was stated."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        listed = message.rsplit(": state ", 1)[-1].rsplit(" in the header", 1)[0]
        self.purposes = tuple(re.findall(r"`([^`]*)`", listed))
        """The purposes that would do."""


class NotFound(AirsideError, LookupError):
    """There is no such product, table or dataset, for this caller."""

    code = "NOT_FOUND"


class InvalidArgument(AirsideError, ValueError):
    """The question is wrong: syntax, an unknown column, types, a value that cannot be computed."""

    code = "INVALID_ARGUMENT"


class ResourceExhausted(AirsideError):
    """Beyond a limit: of statements, of memory, of calls at once."""

    code = "RESOURCE_EXHAUSTED"


class DeadlineExceeded(AirsideError):
    """It took longer than the client would wait, or than the gateway permits."""

    code = "DEADLINE_EXCEEDED"


class Unavailable(AirsideError):
    """The gateway cannot be reached, or cannot answer now. Asking again later may help."""

    code = "UNAVAILABLE"


class Outdated(Unavailable):
    """The ticket is no longer good: it ended, or data or policy changed since. The question has to be asked anew."""


class Cancelled(AirsideError):
    """The query was cancelled."""

    code = "CANCELLED"


class NotAppended(AirsideError):
    """What was added since a snapshot cannot be told: files were replaced or removed, or it was not kept. Read all."""

    code = "FAILED_PRECONDITION"


class Unimplemented(AirsideError):
    """The gateway does not offer that."""

    code = "UNIMPLEMENTED"


class Internal(AirsideError):
    """A fault of the gateway's, or an answer that makes no sense."""

    code = "INTERNAL"


_ERROR_ID = re.compile(r"\(error id ([0-9a-f-]{8,36})\)")
_WRAPPED = re.compile(r"^(?:Flight|gRPC) returned ([a-z -]+?) error, with message: (.*)$", re.DOTALL)
_APPENDED = re.compile(r"\.? (?:gRPC client debug context|Client context): .*$", re.DOTALL)

# What is said of tickets that no longer open anything: they ended, what they were planned on changed, or the gateway's
# keys did.
_TO_ASK_AGAIN = re.compile(r": ask again\b|^the ticket or handle is not one of this gateway's")

# pyarrow has no name for FAILED_PRECONDITION.
_NOT_APPENDED = re.compile(r"what was added since snapshot `[^`]*` cannot be told: ")

# What pyarrow says of a stream that broke, or never began.
_BROKEN = re.compile(r"Could not (finish writing|write|read)\b")

# pyarrow's names of gRPC's codes.
_CODES: dict[str, type[AirsideError]] = {
    "unauthenticated": Unauthenticated,
    "unauthorized": PermissionDenied,
    "permission denied": PermissionDenied,
    "not found": NotFound,
    "invalid argument": InvalidArgument,
    "out of range": InvalidArgument,
    "resource exhausted": ResourceExhausted,
    "timeout": DeadlineExceeded,
    "unavailable": Unavailable,
    "cancelled": Cancelled,
    "unimplemented": Unimplemented,
    "internal": Internal,
}

_TYPES: tuple[tuple[type[BaseException], type[AirsideError]], ...] = (
    (flight.FlightUnauthenticatedError, Unauthenticated),
    (flight.FlightUnauthorizedError, PermissionDenied),
    (flight.FlightUnavailableError, Unavailable),
    (flight.FlightTimedOutError, DeadlineExceeded),
    (flight.FlightCancelledError, Cancelled),
    (flight.FlightInternalError, Internal),
    (pa.ArrowCancelled, Cancelled),
    (pa.ArrowNotImplementedError, Unimplemented),
    (pa.ArrowKeyError, NotFound),
    (pa.ArrowInvalid, InvalidArgument),
    # A stream that broke.
    (OSError, Unavailable),
)

# What pyarrow raises for a call that failed.
RAISED = (pa.ArrowException, flight.FlightError, OSError)


@contextmanager
def translated() -> Iterator[None]:
    """Turns what a call of pyarrow's raises into our exceptions."""
    try:
        yield
    except RAISED as error:
        raise translate(error) from None


def translate(error: BaseException) -> AirsideError:
    """The exception that says what pyarrow's says."""
    if isinstance(error, AirsideError):
        return error
    message = str(error)
    kind = next((ours for theirs, ours in _TYPES if isinstance(error, theirs)), Internal)
    if wrapped := _WRAPPED.match(message):
        kind, message = _CODES.get(wrapped[1], kind), wrapped[2]
    elif _BROKEN.match(message):
        kind = Unavailable
    message = _APPENDED.sub("", message)
    if kind is PermissionDenied and " asks for a purpose: state " in message:
        kind = PurposeNeeded
    if _NOT_APPENDED.match(message):
        kind = NotAppended
    if kind in (Unavailable, InvalidArgument) and _TO_ASK_AGAIN.search(message):
        kind = Outdated
    return kind(message)
