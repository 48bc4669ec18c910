import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from strategy.timeframes import parse_timeframe
from tradedesk.services.alerts.intake import Signal
from tradedesk.services.alerts.signals import WORDS

ABSENT = {"", "na", "NaN", "null"}
PRICES = ("open", "high", "low", "close", "volume")
LONGEST = {"symbol": 32, "exchange": 32, "timeframe": 8, "contract": 32}
PLAIN = re.compile(r"[\x21-\x7e]+")
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")
EPOCH = re.compile(r"[0-9]{9,13}")
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
# What the column of a price holds; more would be rounded up to a number that it does not.
SMALLEST, LARGEST = Decimal("1e-8"), Decimal(10**12 - 1)


class Invalid(Exception):
    """The message is no alert. `errors` has what is wrong by dotted field name."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(", ".join(errors))
        self.errors = errors


def parse_json(body: bytes) -> dict[str, Any]:
    """Return the object in a raw body, whatever its content type said. Raises Invalid.

    A byte order mark is let pass; a bare NaN or Infinity is not JSON.
    """
    try:
        content = json.loads(
            body.decode("utf-8-sig"), parse_constant=_no_constant, parse_float=str, parse_int=str
        )
    except UnicodeDecodeError:
        raise Invalid({"body": ["The body is not UTF-8 text."]}) from None
    except (ValueError, RecursionError):
        raise Invalid(
            {"body": ["The body is not JSON. Copy the message from the strategy's page."]}
        ) from None
    if not isinstance(content, dict):
        raise Invalid({"body": ["The body must be a JSON object."]})
    return content


def parse_signal(content: Mapping[str, Any]) -> Signal:
    """Return the alert in the message. Raises Invalid, naming every field that is missing or wrong."""
    reader = _Reader(content)
    action = reader.word("action")
    words = [reader.word(path) for path in ("indicator", "signal.type", "signal.direction", "signal.trigger")]
    symbol, exchange = reader.text("market_data.symbol"), reader.text("market_data.exchange")
    timeframe = reader.text("market_data.timeframe")
    bar_open, fired_at = reader.time("market_data.timestamp"), reader.time("market_data.timenow")
    contract = reader.text("market_data.contract", required=False)
    prices = {name: reader.price(f"price_data.{name}") for name in PRICES}
    _check_words(reader, action, words)
    if timeframe and parse_timeframe(timeframe) is None:
        reader.error("market_data.timeframe", f"“{timeframe}” is no timeframe such as 10, 15 or 1D.")
    if reader.errors or bar_open is None or fired_at is None:
        raise Invalid(reader.errors)
    close = prices["close"]
    return Signal(action, words[0], symbol, exchange, timeframe, bar_open, fired_at, contract, close)


def _check_words(reader: "_Reader", action: str, words: list[str]) -> None:
    if not action:
        return
    expected = WORDS.get(action)
    if expected is None:
        reader.error("action", f"Must be one of {', '.join(WORDS)}.")
        return
    paths = ("indicator", "signal.type", "signal.direction", "signal.trigger")
    for path, word, right in zip(paths, words, expected, strict=True):
        if word and word != right:
            reader.error(path, f"Contradicts the action {action}, which goes with {right}.")


class _Reader:
    """Reads fields by dotted path and gathers what is wrong with them."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content
        self.errors: dict[str, list[str]] = {}

    def error(self, path: str, sentence: str) -> None:
        sentences = self.errors.setdefault(path, [])
        if sentence not in sentences:
            sentences.append(sentence)

    def word(self, path: str) -> str:
        return self._string(path, required=True)

    def text(self, path: str, *, required: bool = True) -> str:
        text = self._string(path, required=required)
        longest = LONGEST[path.rpartition(".")[2]]
        if len(text) > longest:
            self.error(path, f"At most {longest} characters.")
            return ""
        if text and not PLAIN.fullmatch(text):
            self.error(path, "Only letters, digits and signs without spaces.")
            return ""
        return text

    def time(self, path: str) -> datetime | None:
        text = self._string(path, required=True)
        if not text:
            return None
        moment = _moment(text)
        if moment is None or not EARLIEST <= moment < LATEST:
            self.error(path, "Must be a time such as 2026-11-23T14:20:00Z, or epoch seconds or milliseconds.")
            return None
        return moment

    def price(self, path: str) -> Decimal | None:
        text = self._string(path, required=False)
        if not text:
            return None
        number = _number(text)
        if number is None:
            self.error(path, "Must be a finite number of a sensible size, or left out.")
        return number

    def _string(self, path: str, *, required: bool) -> str:
        """Return the text at the path, "" where it is absent; a required one is then an error."""
        value: Any = self.content
        for name in path.split("."):
            if value is None:
                break
            if not isinstance(value, Mapping):
                self.error(path.rpartition(".")[0], "Must be an object.")
                return ""
            value = value.get(name)
        if value is not None and not isinstance(value, str):
            self.error(path, "Must be a text or a number.")
            return ""
        if value is not None and "{{" in value:
            self.error(path, "A placeholder was not filled in; check its spelling.")
            return ""
        if value is None or value.strip() in ABSENT:
            if required:
                self.error(path, "Required.")
            return ""
        return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _number(text: str) -> Decimal | None:
    if len(text) > 32 or not NUMBER.fullmatch(text):
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if not number or SMALLEST <= abs(number) <= LARGEST else None


def _moment(text: str) -> datetime | None:
    """Return the aware UTC time in ISO-8601 or in epoch seconds or milliseconds, None where there is none."""
    try:
        if EPOCH.fullmatch(text):
            seconds = int(text) / 1000 if len(text) > 11 else int(text)
            return datetime.fromtimestamp(seconds, UTC)
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
