from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypedDict
from uuid import UUID

from django.http import HttpRequest

from strategy.sessions import CHICAGO, session_start
from tradedesk.models import Account, Bot

DAY_ENDS = time(17, 0)


class Keys(TypedDict):
    """What a selector is narrowed to; None for all."""

    account_id: UUID | None
    bot_id: UUID | None


@dataclass(frozen=True)
class Shown:
    """What a page is about by its address: an account, a bot, and a trading day, 17:00 to 17:00 Chicago."""

    accounts: list[Account]
    bots: list[Bot]
    account: Account | None
    bot: Bot | None
    day: date
    start: datetime
    end: datetime
    is_today: bool

    @property
    def keys(self) -> Keys:
        """The ids as selectors take them."""
        return {
            "account_id": self.account.pk if self.account else None,
            "bot_id": self.bot.pk if self.bot else None,
        }

    def shows(self, bot: Bot) -> bool:
        of_account = self.account is None or self.account.pk == bot.account_id
        return of_account and self.bot in (None, bot)


def shown_by(request: HttpRequest, bots: list[Bot], now: datetime) -> Shown:
    """Return what the parameters account, bot and day ask for; what they cannot mean is left out."""
    accounts = sorted({bot.account for bot in bots}, key=lambda account: account.name)
    today_from = session_start(now)
    today = _trade_date(today_from)
    day = _day(request.GET.get("day", "")) or today
    is_today = day >= today
    start = today_from if is_today else datetime.combine(day - timedelta(days=1), DAY_ENDS, CHICAGO)
    return Shown(
        accounts=accounts,
        bots=bots,
        account=next((row for row in accounts if row.name == request.GET.get("account")), None),
        bot=next((row for row in bots if row.slug == request.GET.get("bot")), None),
        day=today if is_today else day,
        start=start,
        end=now + timedelta(days=1) if is_today else start + timedelta(days=1),
        is_today=is_today,
    )


def _trade_date(start: datetime) -> date:
    return start.astimezone(CHICAGO).date() + timedelta(days=1)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
