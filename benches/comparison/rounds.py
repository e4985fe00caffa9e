"""Sides that run in turn, so that what disturbs the machine disturbs all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable

Sample = dict[str, float]


class Rounds:
    """What each side measured, round by round. One that warms up counts for nothing."""

    def __init__(self, runs: int, sides: dict[str, Callable[[], Sample]], *, warm_up: bool = True) -> None:
        self.samples: dict[str, list[Sample]] = {name: [] for name in sides}
        for number in range(0 if warm_up else 1, runs + 1):
            # Whoever goes first in one round goes last in the next.
            for name, side in sorted(sides.items(), key=lambda item: item[0], reverse=number % 2 == 1):
                sample = side()
                if number > 0:
                    self.samples[name].append(sample)

    def __contains__(self, side: str) -> bool:
        return side in self.samples

    def median(self, side: str, measure: str) -> float:
        return statistics.median(sample[measure] for sample in self.samples[side])

    def ratio(self, side: str, other: str, measure: str) -> float:
        """The median of the rounds' ratios."""
        pairs = zip(self.samples[side], self.samples[other], strict=True)
        return statistics.median(one[measure] / two[measure] for one, two in pairs)

    def beside(self, side: str, other: str, measure: str, at_most: float | None = None) -> dict:
        """What a figure says of one side and another."""
        return {
            "ours": self.median(side, measure),
            "peer": other,
            "theirs": self.median(other, measure),
            "ratio": self.ratio(side, other, measure),
            "at_most": at_most,
        }
