"""When to try again, and after which pause."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Retry:
    """How often, and after which pauses, a call is repeated that was answered with UNAVAILABLE.

    Each pause is drawn between nothing and a bound that doubles, so that many clients do not come back at once.
    Only what is safe to repeat is repeated: a call whose rows nobody has seen yet.
    """

    attempts: int = 6
    """How often a call is made at most; 1 never repeats."""
    first: float = 0.2
    """The bound of the first pause, in seconds."""
    longest: float = 10.0
    """The bound of every pause."""

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first < 0 or self.longest < 0:
            raise ValueError("a call is made at least once, and no pause is negative")

    def pauses(self) -> Iterator[float]:
        """The pauses between the attempts of one call."""
        bound = self.first
        for _ in range(self.attempts - 1):
            yield random.uniform(0, min(bound, self.longest))
            bound = min(bound * 2, self.longest)
