import time
from collections.abc import Callable
from statistics import median, quantiles

WINDOW = 20


def timed(act: Callable[[], None], times: int = WINDOW) -> list[float]:
    """Return how many milliseconds each call took."""
    result = []
    for _ in range(times):
        started = time.perf_counter()
        act()
        result.append((time.perf_counter() - started) * 1000)
    return result


def summary(times: list[float]) -> dict[str, float]:
    cuts = quantiles(times, n=100)
    return {"p50": round(median(times), 2), "p95": round(cuts[94], 2), "p99": round(cuts[98], 2)}
