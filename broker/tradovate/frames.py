"""The frames of Tradovate's socket: text with one leading letter, and what the events in them tell.

`o` opens, `h` is a heartbeat, `a[…]` holds messages, `c[code,"reason"]` closes. A request is an endpoint, a
number, a query and a body on a line each.
"""

import json
from collections.abc import Iterator
from typing import Any

from broker.base import Change

HEARTBEAT = "[]"
# The kinds of rows that tell what becomes of an order or a position.
KINDS = ("order", "orderVersion", "command", "executionReport", "fill", "position")
_OTHER_KINDS = frozenset(
    {
        "user",
        "account",
        "accountRiskStatus",
        "marginSnapshot",
        "userAccountAutoLiq",
        "cashBalance",
        "currency",
        "fillPair",
        "fillFee",
        "contract",
        "contractMaturity",
        "product",
        "exchange",
        "spreadDefinition",
        "commandReport",
        "orderStrategy",
        "orderStrategyLink",
        "orderStrategyType",
        "userProperty",
        "property",
        "userPlugin",
        "contractGroup",
    }
)
_EVENTS = frozenset({"props", "shutdown", "clock", "md", "chart"})
QUOTE_LIMIT = 200
LONGEST_LABEL, LARGEST_ID = 64, 2**63 - 1

type Message = dict[str, Any]


class UnreadableFrame(Exception):
    """A frame that is none of the four kinds, or is not JSON."""


class ClosedByBroker(Exception):
    """A close frame. A refused authorisation ends with code 1000."""

    def __init__(self, code: object, reason: object) -> None:
        super().__init__(f"closed by the broker: {code} {str(reason)[:QUOTE_LIMIT]}")
        self.code = code


def request(endpoint: str, number: int, body: str) -> str:
    """Return the frame of a request without a query."""
    return f"{endpoint}\n{number}\n\n{body}"


def messages_of(frame: str | bytes) -> list[Message]:
    """Return the messages of a frame; `o` and `h` have none.

    Raises ClosedByBroker for a close frame, UnreadableFrame for nonsense.
    """
    text = frame if isinstance(frame, str) else frame.decode(errors="replace")
    kind, content = text[:1], text[1:]
    if kind in ("o", "h"):
        return []
    if kind not in ("a", "c"):
        raise UnreadableFrame(f"a frame of unknown kind {kind!r}")
    data = _list_in(content)
    if kind == "c":
        code, reason, *_ = [*data, None, ""]
        raise ClosedByBroker(code, reason)
    return [message for message in data if isinstance(message, dict)]


def changes_in(message: Message) -> Iterator[Change]:
    """Yield what a message tells of orders, fills and positions; other kinds of rows are passed over."""
    data = message.get("d")
    if message.get("e") != "props" or not isinstance(data, dict) or data.get("entityType") not in KINDS:
        return
    rows = data.get("entity")
    for row in rows if isinstance(rows, list) else [rows]:
        if isinstance(row, dict):
            yield _change(str(data["entityType"]), row)


def unknown_word(message: Message) -> str:
    """Return the kind of event or row in a message that this client has never heard of, else ""."""
    event, data = message.get("e"), message.get("d")
    if event is None or event == "props":
        kind = data.get("entityType") if event and isinstance(data, dict) else None
        is_known = kind is None or str(kind) in KINDS or str(kind) in _OTHER_KINDS
        return "" if is_known else f"row {str(kind)[:QUOTE_LIMIT]}"
    return "" if str(event) in _EVENTS else f"event {str(event)[:QUOTE_LIMIT]}"


def quote(data: object) -> str:
    """Return what the broker said, fit for a log line."""
    return " ".join(str(data).split())[:QUOTE_LIMIT]


def _list_in(content: str) -> list[Any]:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, list):
        raise UnreadableFrame("a frame that is no list")
    return data


def _change(kind: str, row: dict[str, Any]) -> Change:
    order_id = row.get("id") if kind == "order" else row.get("orderId")
    label = row.get("clOrdId") or row.get("text") if kind in ("command", "orderVersion") else None
    fill_id = row.get("id") if kind == "fill" else None
    return Change(
        account_id=_whole(row.get("accountId")),
        order_id=_whole(order_id),
        client_order_id=_label(label),
        fill_id=_whole(fill_id),
    )


def _label(value: object) -> str:
    """Return a label that could be one of ours; other programs may write whatever they like."""
    if isinstance(value, str) and value.isascii() and value.isprintable() and len(value) <= LONGEST_LABEL:
        return value
    return ""


def _whole(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_ID:
        return value
    return None
