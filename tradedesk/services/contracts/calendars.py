from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from django.db import transaction

from strategy import sessions
from strategy.flat_by import FlatWindow, flat_window
from strategy.sessions import CHICAGO, Calendar
from tradedesk.models import Account, Bot, Environment, Holiday, Instrument, NoticeKind, SessionRule
from tradedesk.services.people.audit import note
from tradedesk.services.reports.notices import tell, thing

log = structlog.get_logger(__name__)

CONFIRMED_FOR_DAYS, CONFIRM_DAYS, REMIND_DAYS = 14, 60, 21


@dataclass(frozen=True)
class Market:
    """What the gate asks about time: whether a bot's market is open, and an opening still in time."""

    is_open: bool = True
    before_flat_by: bool = True
    calendar_confirmed: bool = True


def market_of(bot: Bot, now: datetime) -> Market:
    """Return what the calendar says about an opening of a bot. What cannot be read says no.

    A paper account is not concerned, but for a flat-by time that it was given.
    """
    account = bot.account
    is_paper = account.environment == Environment.PAPER
    if is_paper and account.flat_by is None:
        return Market()
    calendars = calendars_of(account)
    own = calendars.get(bot.instrument.root)
    window = window_of(account, calendars, now)
    return Market(
        is_open=is_paper or (own is not None and sessions.session_open(own, now)),
        before_flat_by=account.flat_by is None
        or (own is not None and window is not None and not window.refuses_openings(now)),
        calendar_confirmed=is_paper or (own is not None and unconfirmed_day(own, now) is None),
    )


def calendars_of(account: Account) -> dict[str, Calendar | None]:
    """Return the calendars of what an account's bots trade, by root; None where it is not known."""
    bots = account.bots.select_related("instrument__session_rule")
    rules = {
        bot.instrument.root: bot.instrument.session_rule
        for bot in bots.prefetch_related("instrument__session_rule__holidays")
    }
    return {root: calendar_of(rule) if rule else None for root, rule in rules.items()}


def calendar_of(rule: SessionRule) -> Calendar | None:
    """Return the calendar of a rule, None where its zone or its week is not readable."""
    holidays = {row.date: sessions.Holiday(row.closes_at, row.confirmed) for row in rule.holidays.all()}
    try:
        zone, week = ZoneInfo(rule.zone), sessions.parse_week(rule.week)
    except (ValueError, ZoneInfoNotFoundError) as error:
        log.warning("calendar.unreadable", rule=rule.name, error=str(error))
        return None
    return Calendar(zone, week, holidays, rule.confirmed_through)


def days_without_session(instrument: Instrument) -> set[date]:
    """Return the dates on which an instrument does not trade at all, as far as its rule tells.

    Those that nobody confirmed are among them: taken for holidays they make the desk leave a month earlier.
    """
    closed = Holiday.objects.filter(rule=instrument.session_rule_id, closes_at=None)
    return set(closed.values_list("date", flat=True))


def window_of(account: Account, calendars: dict[str, Calendar | None], now: datetime) -> FlatWindow | None:
    """Return when an account must be flat, None where it need not."""
    known = [calendar for calendar in calendars.values() if calendar is not None]
    return None if account.flat_by is None else flat_window(known, account.flat_by, now)


def unconfirmed_day(calendar: Calendar, now: datetime, days: int = CONFIRMED_FOR_DAYS) -> date | None:
    """Return the first of the next days that nobody has confirmed, None when all are."""
    return sessions.first_unconfirmed(calendar, now.astimezone(calendar.zone).date(), days)


def confirm(rule: SessionRule, *, by: str, source_address: str, now: datetime) -> date:
    """Confirm a rule's calendar by a person's word for the next 60 days, and return the last of them."""
    today = now.astimezone(ZoneInfo(rule.zone)).date()
    through = today + timedelta(days=CONFIRM_DAYS)
    with transaction.atomic():
        SessionRule.objects.filter(pk=rule.pk).update(confirmed_through=through)
        rule.holidays.filter(date__gte=today, date__lte=through).update(confirmed=True)
        detail = {"through": through.isoformat()}
        note(by, "confirm calendar", f"session rule {rule}"[:120], detail, "", source_address, now)
    rule.confirmed_through = through
    return through


def remind(now: datetime) -> int:
    """Write a notice for each calendar in use on demo or live that needs a person soon; return how many."""
    rules = SessionRule.objects.filter(
        instruments__bots__account__enabled=True,
        instruments__bots__account__environment__in=(Environment.DEMO, Environment.LIVE),
    )
    return sum(_remind(rule, now) for rule in rules.distinct().prefetch_related("holidays"))


def _remind(rule: SessionRule, now: datetime) -> bool:
    calendar = calendar_of(rule)
    day = unconfirmed_day(calendar, now, REMIND_DAYS) if calendar else None
    if calendar is not None and day is None:
        return False
    subject = f"Calendar of {rule}: {f'{day} is not confirmed' if day else 'not readable'}"
    text = (
        "Openings on demo and live are refused from 14 days before a day that nobody confirmed. "
        "Compare the holidays with the exchange's announcement, then confirm the session rule in the panel."
    )
    about = thing("calendar", rule.pk, day, now.astimezone(CHICAGO).date())
    return tell(NoticeKind.CALENDAR, about, subject, text, now)
