"""What the gateway tells of a new snapshot."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from airside.errors import Internal


@dataclass(frozen=True)
class Change:
    """A new snapshot of a dataset."""

    product: str
    """`domain.product`, with the dataset's name if it has another."""
    version: str
    """The contract's version."""
    snapshot: str
    """The snapshot's id, as receipts carry it."""
    previous: str | None
    """The snapshot told of before in the same breath; None the first time, and after following anew."""
    appended: bool
    """Whether files were only added since `previous`, so that `Product.since` gives the rest."""
    changed: datetime | None
    """When the last of its files changed."""

    @classmethod
    def parse(cls, message: bytes) -> Change:
        """A change from the body of an action's result. Fields that are not known yet are passed over."""
        try:
            said = json.loads(message)
            changed = said["changed"]
            return cls(
                product=said["product"],
                version=said["version"],
                snapshot=said["snapshot"],
                previous=said["previous"],
                appended=said["appended"],
                changed=None if changed is None else _moment(changed),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise Internal(f"the gateway tells of a change that cannot be read: {error}") from None


def _moment(text: str) -> datetime:
    """RFC 3339; Python before 3.11 reads neither `Z` nor nanoseconds."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}.{fraction[:6].ljust(6, '0')}+00:00")
