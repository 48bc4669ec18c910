"""Frames of Tradovate's WebSocket: a letter for the kind (`o`, `h`, `a`, `c`), then JSON."""

import json
from collections.abc import Iterator
from typing import Any

from broker.base import Change

# What is asked for of user sync; other kinds of rows are passed over.
KINDS = ("order", "orderVersion", "command", "executionReport", "fill", "position")


class Ended(Exception):
    """The connection is over; `wait_s` is the least time to wait before the next one."""

    def __init__(self, why: str, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.wait_s = wait_s


def messages_of(frame: str | bytes) -> list[dict[str, Any]]:
    """Return the messages of a frame; `o` and `h` have none. Raises Ended for a close frame or nonsense."""
    text = frame if isinstance(frame, str) else frame.decode(errors="replace")
    kind, content = text[:1], text[1:]
    if kind in ("o", "h"):
        return []
    if kind == "c":
        raise Ended(f"closed by the broker: {content[:200]}")
    try:
        data = json.loads(content) if kind == "a" else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, list):
        raise Ended("an unreadable frame")
    messages = [message for message in data if isinstance(message, dict)]
    for message in messages:
        if message.get("e") == "shutdown":
            raise Ended(f"the broker shuts down: {str(message.get('d'))[:200]}")
    return messages


def changes_in(message: dict[str, Any]) -> Iterator[Change]:
    """Yield what a message tells of orders, fills and positions; other kinds of rows are passed over."""
    data = message.get("d")
    if message.get("e") != "props" or not isinstance(data, dict) or data.get("entityType") not in KINDS:
        return
    rows = data.get("entity")
    for row in rows if isinstance(rows, list) else [rows]:
        if isinstance(row, dict):
            yield _change(str(data["entityType"]), row)


def _change(kind: str, row: dict[str, Any]) -> Change:
    order_id = row.get("id") if kind == "order" else row.get("orderId")
    label = row.get("clOrdId") or row.get("text") if kind in ("command", "orderVersion") else ""
    fill_id = row.get("id") if kind == "fill" else None
    return Change(
        account_id=_whole(row.get("accountId")),
        order_id=_whole(order_id),
        client_order_id=label if isinstance(label, str) else "",
        fill_id=_whole(fill_id),
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
