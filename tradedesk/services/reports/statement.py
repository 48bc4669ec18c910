from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby

import structlog
from django.db import transaction

from broker.base import BrokerError
from strategy.sessions import CHICAGO
from tradedesk.models import (
    Account,
    Bot,
    Environment,
    Fill,
    Incident,
    IncidentKind,
    Instrument,
    Notice,
    NoticeKind,
)
from tradedesk.services import incidents
from tradedesk.services.desk import Desk
from tradedesk.services.reports.notices import tell, thing
from tradedesk.services.reports.statement_check import Compared, compare, root_of

log = structlog.get_logger(__name__)

DAY_ENDS = time(17, 0)
SATURDAY = 5
# Fills of the last minutes may still be booked then.
WRITTEN_AFTER = timedelta(minutes=5)
# Fees may be told later than their fills.
SETTLED_AFTER = timedelta(minutes=30)
MOST_SHOWN = 20


def write_statements(desk: Desk) -> int:
    """Write a notice for each enabled account about the trading day that ended last; return how many.

    A day ends at 17:00 Chicago; Saturday and Sunday have none. Each is compared with the broker's list first;
    what still differs after half an hour, or cannot be read, stops openings on demo and live until a person
    accepts it.
    """
    day = _last_day(desk.now() - WRITTEN_AFTER)
    if day is None:
        return 0
    return sum(_write(desk, account, day) for account in Account.objects.filter(enabled=True))


def _last_day(now: datetime) -> date | None:
    local = now.astimezone(CHICAGO)
    day = local.date() if local.time() >= DAY_ENDS else local.date() - timedelta(days=1)
    return None if day.weekday() >= SATURDAY else day


def _write(desk: Desk, account: Account, day: date) -> bool:
    about = thing("statement", account.pk, day)
    if Notice.objects.filter(kind=NoticeKind.STATEMENT, about=about).exists():
        return False
    end = datetime.combine(day, DAY_ENDS, CHICAGO)
    start = datetime.combine(day - timedelta(days=1), DAY_ENDS, CHICAGO)
    now = desk.now()
    compared = _compared(desk, account, start, end)
    if compared.differences and now < end + SETTLED_AFTER:
        return False
    subject, lines = _told(account, day, start, end)
    with transaction.atomic():
        if compared.cash is not None:
            Account.objects.filter(pk=account.pk).update(statement_cash=compared.cash, statement_at=now)
        if compared.differences and account.environment != Environment.PAPER:
            _stop_openings(account, day, compared.differences, now)
        text = "\n".join([*lines, *_agreement(compared)])
        return tell(NoticeKind.STATEMENT, about, subject, text, now)


def _compared(desk: Desk, account: Account, start: datetime, end: datetime) -> Compared:
    try:
        return compare(desk, account, start, end)
    except BrokerError as error:
        log.warning("statement.unread", account=account.name, error=str(error))
        return Compared([f"The broker's list could not be read: {error}."], Decimal(), None)


def _stop_openings(account: Account, day: date, differences: Sequence[str], now: datetime) -> None:
    incidents.open_incident(
        IncidentKind.STATEMENT_DIFFERS,
        account=account,
        bot=None,
        subject=f"{account.name} {day}",
        seen={f"difference {number}": text for number, text in enumerate(differences[:MOST_SHOWN], 1)},
        now=now,
    )


def _agreement(compared: Compared) -> Iterable[str]:
    if not compared.differences:
        yield f"The broker's list agrees; its fees are {compared.fees:,.2f} USD."
        if compared.cash is None:
            yield "A position is held: cash is compared when the account is flat."
        return
    yield from compared.differences[:MOST_SHOWN]
    more = len(compared.differences) - MOST_SHOWN
    if more > 0:
        yield f"and {more} more differences"


def _told(account: Account, day: date, start: datetime, end: datetime) -> tuple[str, list[str]]:
    """Return subject and lines about an account's own fills of a day."""
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
    return subject, [*text, *_held(account), *_incidents(account)]


def _result(fills: Sequence[Fill], values: dict[str, Decimal]) -> tuple[Decimal | None, int]:
    """Return the dollars that a contract's fills of one day made before fees, and how many fills there were.

    Exact where the contract was flat before the first and after the last: what was got less what was paid.
    None where a position was carried over, or the contract's instrument is not known.
    """
    value = values.get(root_of(fills[0].contract))
    carried = fills[0].order.position_before != 0 or sum(fill.signed_quantity for fill in fills) != 0
    if value is None or carried:
        return None, len(fills)
    return -sum((fill.signed_quantity * fill.price for fill in fills), Decimal()) * value, len(fills)


def _dollars(result: Decimal | None) -> str:
    return "result open: a position was carried" if result is None else f"{result:+,.2f} USD before fees"


def _held(account: Account) -> Iterable[str]:
    for bot in Bot.objects.filter(account=account).exclude(state__quantity=0).select_related("state"):
        yield f"{bot} holds {bot.state.quantity:+d} {bot.state.contract}"


def _incidents(account: Account) -> Iterable[str]:
    for incident in Incident.objects.filter(account=account, closed_at=None):
        yield f"Open: {incident}"
