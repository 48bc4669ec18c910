from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby

from strategy.sessions import CHICAGO
from tradedesk.models import Account, Bot, Fill, Incident, Instrument, NoticeKind
from tradedesk.services.notices import tell, thing

DAY_ENDS = time(17, 0)
SATURDAY = 5
# Fills of the last minutes may still be booked then.
WRITTEN_AFTER = timedelta(minutes=5)


def write_statements(now: datetime) -> int:
    """Write a notice for each enabled account about the trading day that ended last; return how many.

    A day ends at 17:00 Chicago; Saturday and Sunday have none.
    """
    day = _last_day(now - WRITTEN_AFTER)
    if day is None:
        return 0
    return sum(_write(account, day, now) for account in Account.objects.filter(enabled=True))


def _last_day(now: datetime) -> date | None:
    local = now.astimezone(CHICAGO)
    day = local.date() if local.time() >= DAY_ENDS else local.date() - timedelta(days=1)
    return None if day.weekday() >= SATURDAY else day


def _write(account: Account, day: date, now: datetime) -> bool:
    end = datetime.combine(day, DAY_ENDS, CHICAGO)
    start = datetime.combine(day - timedelta(days=1), DAY_ENDS, CHICAGO)
    fills = Fill.objects.filter(account=account, filled_at__gte=start, filled_at__lt=end)
    by_contract = groupby(
        fills.select_related("order").order_by("contract", "filled_at", "id"), lambda fill: fill.contract
    )
    values = {row.root: row.point_value for row in Instrument.objects.all()}
    parts = [(contract, _result(list(rows), values)) for contract, rows in by_contract]
    results = [result for _, (result, _) in parts]
    total = None if None in results else sum((result for result in results if result is not None), Decimal())
    text = [f"{contract}: {count} fills, {_dollars(result)}" for contract, (result, count) in parts]
    subject = f"{day} {account}: {sum(count for _, (_, count) in parts)} fills, {_dollars(total)}"
    lines = [*text, *_held(account), *_incidents(account)]
    return tell(NoticeKind.STATEMENT, thing("statement", account.pk, day), subject, "\n".join(lines), now)


def _result(fills: Sequence[Fill], values: dict[str, Decimal]) -> tuple[Decimal | None, int]:
    """Return the dollars that a contract's fills of one day made before fees, and how many fills there were.

    Exact where the contract was flat before the first and after the last: what was got less what was paid.
    None where a position was carried over, or the contract's instrument is not known.
    """
    value = values.get(_root(fills[0].contract))
    carried = fills[0].order.position_before != 0 or sum(fill.signed_quantity for fill in fills) != 0
    if value is None or carried:
        return None, len(fills)
    return -sum((fill.signed_quantity * fill.price for fill in fills), Decimal()) * value, len(fills)


def _root(contract: str) -> str:
    """Return the root of a contract's name: what stands before the letter of the month and the year."""
    return contract.rstrip("0123456789")[:-1]


def _dollars(result: Decimal | None) -> str:
    return "result open: a position was carried" if result is None else f"{result:+,.2f} USD before fees"


def _held(account: Account) -> Iterable[str]:
    for bot in Bot.objects.filter(account=account).exclude(state__quantity=0).select_related("state"):
        yield f"{bot} holds {bot.state.quantity:+d} {bot.state.contract}"


def _incidents(account: Account) -> Iterable[str]:
    for incident in Incident.objects.filter(account=account, closed_at=None):
        yield f"Open: {incident}"
