"""Small pictures made of figures: points and rectangles for SVG, in a box of 100 by 24."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 100.0, 24.0
MOST_POINTS = 60


@dataclass(frozen=True)
class Segment:
    """One part of a bar, in percent of its width, and how it is coloured."""

    tone: str
    start: float
    width: float


def line(values: Sequence[float]) -> str:
    """Return the points of a polyline through the values, "" for fewer than two."""
    shown = thinned(values, MOST_POINTS)
    if len(shown) < 2:
        return ""
    low, high = min(shown), max(shown)
    step, height = WIDTH / (len(shown) - 1), HEIGHT - 2
    return " ".join(
        f"{number * step:.1f},{1 + height * (1 - (value - low) / ((high - low) or 1)):.1f}"
        for number, value in enumerate(shown)
    )


def bar(parts: Sequence[tuple[str, float]]) -> list[Segment]:
    """Return the parts of one bar beside each other, without those that are nothing."""
    total = sum(size for _, size in parts)
    segments, start = [], 0.0
    for tone, size in parts:
        if size:
            width = size / total * 100
            segments.append(Segment(tone, start, max(0.0, width - 0.6)))
            start += width
    return segments


def thinned[T](values: Sequence[T], most: int) -> list[T]:
    """Return at most so many of the values, evenly picked, the last one included."""
    if len(values) <= most:
        return list(values)
    step = (len(values) - 1) / (most - 1)
    return [values[round(number * step)] for number in range(most)]
