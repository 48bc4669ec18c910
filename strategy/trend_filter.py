"""The trend of a longer timeframe, which is asked when something opens. The fold itself is in `machine`."""

from dataclasses import replace

from strategy.machine import fold, step
from strategy.types import Event, Filter, Memory, StandDown


def with_filter(memory: Memory, timeframe: str) -> Memory:
    """Return the memory under a filter of a timeframe, "" for none: the same object where it was so before.

    Another filter begins without a colour. What was opened or refused before stays so: it goes into the base.
    """
    if memory.filter_timeframe == timeframe:
        return memory
    until_now = replace(fold(memory), filter=Filter.UNKNOWN if timeframe else Filter.OFF)
    return Memory(until_now, filter_timeframe=timeframe)


def filtered(memory: Memory) -> Event | None:
    """Return the event whose opening the filter refused, while the strategy is flat because of that."""
    state = memory.base
    if state.filter is Filter.OFF:
        return None
    refused: Event | None = None
    for entry in memory.entries:
        after, free = step(state, entry), step(replace(state, filter=Filter.OFF), entry)
        if isinstance(entry, Event) and after.position is not free.position:
            refused = entry
        elif isinstance(entry, StandDown) or replace(after, filter=state.filter) != state:
            refused = None
        state = after
    return refused
