"""What an answer is made of, as the gateway says it: `airside.v1.Receipt`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from airside.protobuf import as_bytes, as_number, as_text, decode

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class DatasetReceipt:
    """What was read of one dataset."""

    address: str
    """`domain.product`, with the dataset's name if the product has several."""
    version: str
    """The contract's version."""
    snapshot: str
    """The exact files, by a digest: equal snapshots are equal data."""
    fresh_as_of: datetime | None
    """When the last of those files changed; of a derived dataset, when its oldest source did."""
    columns: tuple[str, ...]
    """The columns read, those only filtered by included."""
    masked: dict[str, str] = field(hash=False)
    """Those of them that came masked, and how: null, redact, hmac, partial or year."""
    rows_restricted: bool
    """Whether a policy kept rows back."""
    since: str = ""
    """The earlier snapshot whose files were left out; empty if all was read."""


@dataclass(frozen=True)
class Receipt:
    """Which data, as of when, under which policy, and what was kept back. Keep it with the data."""

    decision: str
    """Names the decision; the gateway's audit has it too."""
    policy_version: str
    """A digest of the policies that decided, and of all they speak of."""
    purpose: str
    """The purpose they decided for; empty if none was stated."""
    datasets: tuple[DatasetReceipt, ...]
    """What was read."""

    @classmethod
    def parse(cls, message: bytes) -> Receipt:
        """A receipt from the `app_metadata` of a FlightInfo. Fields that are not known yet are passed over."""
        texts = {1: "", 2: "", 3: ""}
        datasets = []
        for number, value in decode(message):
            if number in texts:
                texts[number] = as_text(value)
            elif number == 4:
                datasets.append(_dataset(as_bytes(value)))
        return cls(texts[1], texts[2], texts[3], tuple(datasets))


def _dataset(message: bytes) -> DatasetReceipt:
    texts = {1: "", 2: "", 3: ""}
    fresh = None
    columns = []
    masked = {}
    restricted = False
    since = ""
    for number, value in decode(message):
        if number in texts:
            texts[number] = as_text(value)
        elif number == 4:
            fresh = _moment(as_bytes(value))
        elif number == 5:
            columns.append(as_text(value))
        elif number == 6:
            pair = dict(decode(as_bytes(value)))
            masked[as_text(pair.get(1, b""))] = as_text(pair.get(2, b""))
        elif number == 7:
            restricted = bool(as_number(value))
        elif number == 8:
            since = as_text(value)
    return DatasetReceipt(texts[1], texts[2], texts[3], fresh, tuple(columns), masked, restricted, since)


def _moment(message: bytes) -> datetime:
    parts = dict(decode(message))
    seconds, nanos = as_number(parts.get(1, 0)), as_number(parts.get(2, 0))
    return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
