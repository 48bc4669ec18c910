import getpass
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from django.core.management.base import CommandError, OutputWrapper

from tradedesk.services.halting.scopes import UnknownScope

NOT_DONE, WRONG_USE = 1, 2
LONGEST_REASON = 500


def os_user() -> str:
    """Return who runs the command, for the audit trail: the name of the system's user, else its number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def print_json(out: OutputWrapper, content: Any) -> None:
    """Print one JSON document, for a script to read."""
    out.write(json.dumps(content, indent=2))


def print_table(out: OutputWrapper, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows below a head, the columns aligned."""
    lines = [tuple(map(str, row)) for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        out.write("  ".join(cells).rstrip())


def print_differences(out: OutputWrapper, differences: Sequence[dict[str, Any]]) -> None:
    """Print how the desk's books and the broker differ."""
    names = ("kind", "subject", "contract", "broker", "booked")
    head = ("difference", *names[1:])
    print_table(out, head, [tuple(row.get(name, "") for name in names) for row in differences])


def print_flattened(out: OutputWrapper, result: dict[str, Any]) -> None:
    """Print how far a flatten came."""
    if result["orders"]:
        head = ("order", "contract", "quantity", "status")
        rows = [
            (order["side"], order["contract"], order["quantity"], order["status"])
            for order in result["orders"]
        ]
        print_table(out, head, rows)
    if result["flat"]:
        out.write("Flat: the broker showed nothing held or working, twice.")
        return
    out.write("NOT FLAT. Last seen at the broker:")
    for held in result["positions"]:
        out.write(f"  {_in_words(held)}")
    out.write("The desk keeps trying: kill_switch status tells how far it is. Or close at the broker.")


def print_flattening(out: OutputWrapper, wish: dict[str, Any]) -> None:
    """Print how far a flatten is that goes on."""
    held = ", ".join(_in_words(row) for row in wish["positions"])
    looked = (
        f"last look {wish['looked_at']}: {held or 'nothing held'}" if wish["looked_at"] else "no look yet"
    )
    out.write(
        f"Flattening {wish['scope']} since {wish['since']}, by {wish['by']}: try {wish['tries']}, {looked}"
    )


def _in_words(seen: dict[str, Any]) -> str:
    """Return what was seen of an account: what it holds, an order that is not cancelled, or an error."""
    if "order" in seen:
        return f"{seen['account']}: order {seen['order']} still works"
    return f"{seen['account']}: {seen.get('error') or f'{seen["quantity"]:+d} {seen["contract"]}'}"


def unknown_scope(error: UnknownScope) -> CommandError:
    """Return the error of use for a scope that does not exist."""
    return CommandError(
        f"There is no scope “{error}”. It is all, account:NAME or bot:SLUG.", returncode=WRONG_USE
    )


def leave(code: int) -> NoReturn:
    """End the command with an exit code that is not 0."""
    sys.exit(code)
