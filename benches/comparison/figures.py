"""What a work found out, and how it is shown: one table, as text or as Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """A measure of ours, beside a peer's or alone. `at_most` bounds the ratio if there is a peer, else the measure."""

    work: str
    ours: float
    unit: str
    at_most: float | None = None
    peer: str = ""
    theirs: float | None = None
    ratio: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.at_most is None:
            return ""
        found = self.ours if self.ratio is None else self.ratio
        return "met" if found <= self.at_most else "missed"

    def cells(self) -> list[str]:
        """The figure as a line of the table."""
        target = "" if self.at_most is None else f"{self.at_most:g} ×"
        if self.at_most is not None and self.ratio is None:
            target = quantity(self.at_most, self.unit)
        return [
            self.work,
            quantity(self.ours, self.unit),
            self.peer,
            "" if self.theirs is None else quantity(self.theirs, self.unit),
            "" if self.ratio is None else f"{self.ratio:.2f} ×",
            target,
            self.verdict,
            self.note,
        ]


@dataclass
class Found:
    """All that a work found out: its figures, and lines that stand behind one of them."""

    figures: list[Figure] = field(default_factory=list)
    details: list[tuple[str, list[str], list[list[str]]]] = field(default_factory=list)

    def add(self, *args, **kwargs) -> None:
        self.figures.append(Figure(*args, **kwargs))


HEADINGS = ["work", "ours", "beside", "theirs", "ratio", "at most", "", "note"]


def quantity(value: float, unit: str) -> str:
    """A value with as many digits as it deserves."""
    if unit == "B":
        return f"{value:,.0f} B".replace(",", " ")
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f} {unit}".rstrip()


def text(headings: list[str], lines: list[list[str]]) -> str:
    """Columns side by side, as wide as they need to be."""
    widths = [max(len(line[column]) for line in [headings, *lines]) for column in range(len(headings))]
    padded = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [headings, *lines]
    ]
    return "\n".join(line.rstrip() for line in padded)


def markdown(headings: list[str], lines: list[list[str]]) -> str:
    """The same as Markdown."""
    rule = ["---"] * len(headings)
    return "\n".join("| " + " | ".join(line) + " |" for line in [headings, rule, *lines])
