import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from strategy.machine import action_for, cause, effective_time, explain_no_change, fold, remember
from strategy.timeframes import parse_timeframe
from strategy.types import Event, Memory, State
from tradedesk.management.command_help import with_examples
from tradedesk.services.alerts.intake import Signal
from tradedesk.services.alerts.signals import MEANINGS
from tradedesk.webhook.payload import Invalid, parse_json, parse_signal

TELL_EVERY = 5_000
ROW = "{:>6}  {:20}  {:13}  {:8}  {:5}  {:7}  {}"
HEAD = ROW.format("line", "effective", "event", "position", "trend", "waiting", "action")


class Command(BaseCommand):
    help = (
        "Fold a file of alerts through the strategy and print what it would do. Nothing is sent or stored, "
        "and every order counts as filled. One alert per line, in the order of arrival."
    )
    requires_system_checks = ()

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(
            super().create_parser(*names, **kwargs),
            "manage.py replay alerts.jsonl",
            "manage.py replay alerts.jsonl | grep -E 'ENTER|EXIT|REVERSE'       the trades only",
            "cat monday.jsonl tuesday.jsonl | manage.py replay -",
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="JSON lines; - reads standard input")

    def handle(self, *_args: Any, **options: Any) -> None:
        replay = Replay(timedelta(hours=settings.EVENT_WINDOW_H))
        self.stdout.write(HEAD)
        for number, line in enumerate(_lines(options["file"]), 1):
            if number % TELL_EVERY == 0:
                self.stderr.write(f"… line {number}")
            for row in replay.rows(number, line):
                self.stdout.write(row)
        self.stdout.write(replay.summary())
        if replay.unreadable:
            raise CommandError(
                f"{replay.unreadable} lines are no alerts; the table says what is wrong with them."
            )


class Replay:
    """Folds alerts one by one as a bot would whose every order is filled at once."""

    def __init__(self, window: timedelta) -> None:
        self._window = window
        self._memory = Memory()
        self.events = self.trades = self.unreadable = 0

    def rows(self, number: int, line: bytes) -> Iterator[str]:
        """Yield the table's row for a line of the file, none for an empty one."""
        if not line.strip():
            return
        try:
            signal = parse_signal(parse_json(line))
        except Invalid as invalid:
            self.unreadable += 1
            problems = "; ".join(f"{field}: {' '.join(said)}" for field, said in invalid.errors.items())
            yield f"{number:>6}  not an alert: {problems}"
            return
        if signal.action in MEANINGS:
            self.events += 1
            yield self._fold(number, event_of(signal))

    def summary(self) -> str:
        """Return how much there was."""
        return f"{self.events} events, {self.trades} trades, {self.unreadable} lines that are no alerts."

    def _fold(self, number: int, event: Event) -> str:
        before = fold(self._memory)
        memory = remember(self._memory, event, self._window)
        if memory is None:
            return _row(number, event, before, "NONE (EVENT_WINDOW)")
        if memory is self._memory:
            return _row(number, event, before, "NONE (duplicate)")
        self._memory, after = memory, fold(memory)
        action = action_for(cause(memory), before.position, after.position)
        if after.position != before.position:
            self.trades += 1
            return _row(number, event, after, action.value)
        return _row(number, event, after, f"NONE ({explain_no_change(before, event, after).value})")


def event_of(signal: Signal) -> Event:
    """Return the fact that a parsed alert reports."""
    indicator, value = MEANINGS[signal.action]
    timeframe = parse_timeframe(signal.timeframe) or timedelta()
    effective_at = effective_time(signal.bar_open, timeframe, signal.fired_at)
    return Event(signal.event_key, indicator, value, effective_at, signal.fired_at)


def _lines(file: str) -> Iterator[bytes]:
    if file == "-":
        yield from sys.stdin.buffer
        return
    try:
        with open(file, "rb") as lines:
            yield from lines
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from error


def _row(number: int, event: Event, state: State, action: str) -> str:
    return ROW.format(
        number,
        f"{event.effective_at:%Y-%m-%dT%H:%M:%SZ}",
        f"{event.indicator.value} {event.value.value}",
        state.position.value,
        state.color.value if state.color else "-",
        "YES" if state.waiting else "NO",
        action,
    )
