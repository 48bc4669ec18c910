import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User

from broker.base import Side
from strategy.machine import effective_time
from tests.fakes import START
from tradedesk.models import (
    Account,
    Alert,
    AlertOutcome,
    Bot,
    BotState,
    Decision,
    Fill,
    Holiday,
    Incident,
    IncidentKind,
    Instrument,
    Notice,
    NoticeKind,
    Order,
    OrderPurpose,
    OrderSide,
    OrderStatus,
    Reason,
    SessionRule,
    Strategy,
    WebhookToken,
)
from tradedesk.models.ids import new_id
from tradedesk.services.alerts.signals import WORDS
from tradedesk.services.alerts.tokens import digest_of
from tradedesk.stores.positions import Snapshot

TOKEN = "tok-0123456789abcdef0123456789abcdef"
TERMS = {"MES": ("0.25", "5"), "MNQ": ("0.25", "2"), "ES": ("0.25", "50")}
WEEK = """Sun 17:00 - Mon 16:00
Mon 17:00 - Tue 16:00
Tue 17:00 - Wed 16:00
Wed 17:00 - Thu 16:00
Thu 17:00 - Fri 16:00"""
LONG_AGO = START - timedelta(days=30)


def at(minute: float) -> datetime:
    """Return the moment so many minutes after the fixed clock's start."""
    return START + timedelta(minutes=minute)


def make_user(username: str = "ada", **fields: Any) -> User:
    """Return a member of staff without a password, which would take its time to hash; use `force_login`."""
    return User.objects.create_user(username, **{"is_staff": True, **fields})


def make_instrument(root: str = "MES") -> Instrument:
    """Return an instrument on the broker's terms, made anew where a flush took those of the migration."""
    tick, point = TERMS[root]
    instrument, _ = Instrument.objects.get_or_create(
        root=root,
        defaults={
            "name": root,
            "exchange": "CME_MINI",
            "tick_size": Decimal(tick),
            "point_value": Decimal(point),
            "months": "HMUZ",
            "settlement": "cash",
            "last_trading_day": "3rd Friday of the contract month",
            "session_rule": make_session_rule(),
            "group": "SP500" if root.endswith("ES") else "NASDAQ100",
            "group_weight": 1 if root.startswith("M") else 10,
        },
    )
    return instrument


def make_session_rule() -> SessionRule:
    """Return CME's week, made anew where a flush took that of the migration."""
    rule, _ = SessionRule.objects.get_or_create(name="CME equity index", defaults={"week": WEEK})
    return rule


def confirm_calendars(through: date = date(2027, 12, 31)) -> None:
    """Let a person have looked at every calendar until a day."""
    SessionRule.objects.update(confirmed_through=through)
    Holiday.objects.update(confirmed=True)


def make_account(name: str = "paper", **fields: Any) -> Account:
    """Return an account that was reconciled when the fixed clock started; `reconciled_at=None`: never."""
    account = Account.objects.create(name=name, **{"reconciled_at": START, **fields})
    Account.objects.filter(pk=account.pk).update(created_at=LONG_AGO)
    return account


def make_strategy(slug: str = "mes-trend", *, root: str = "MES", **fields: Any) -> Strategy:
    return Strategy.objects.create(slug=slug, instrument=make_instrument(root), **fields)


def make_token(strategy: Strategy, token: str = TOKEN, **fields: Any) -> WebhookToken:
    """Return the row that lets `token` in for a strategy."""
    return WebhookToken.objects.create(
        strategy=strategy, digest=digest_of(token), last_four=token[-4:], **{"created_at": LONG_AGO, **fields}
    )


def make_bot(
    slug: str = "mes-paper",
    *,
    strategy: Strategy | None = None,
    account: Account | None = None,
    **fields: Any,
) -> Bot:
    """Return a bot on its strategy's instrument; strategy and account are made where none is given."""
    strategy = strategy or Strategy.objects.filter(slug="mes-trend").first() or make_strategy()
    account = account or Account.objects.filter(name="paper").first() or make_account()
    bot = Bot.objects.create(
        slug=slug,
        strategy=strategy,
        account=account,
        **{"instrument": strategy.instrument, **fields},
    )
    Bot.objects.filter(pk=bot.pk).update(created_at=LONG_AGO)
    bot.created_at = LONG_AGO
    return bot


def set_held(
    bot: Bot, quantity: int, *, contract: str = "MESZ6", average_price: str | None = "6842.25", **fields: Any
) -> Snapshot:
    """Book a position for a bot, as if fills had made it, and return the bot's new snapshot."""
    before = Snapshot.from_row(BotState.objects.get(bot=bot))
    after = before.changed(
        START,
        **{
            "quantity": quantity,
            "contract": contract if quantity else "",
            "average_price": Decimal(average_price) if quantity and average_price else None,
            **fields,
        },
    )
    BotState.objects.filter(bot=bot).update(**after.as_row())
    return after


def make_message(action: str = "LONG_ENTRY", *, fired_at: datetime = START, **market: Any) -> dict[str, Any]:
    """Return an alert as TradingView posts it for a bar closed at `fired_at`; `market` overrides its data."""
    indicator, kind, direction, trigger = WORDS[action]
    minutes = 15 if indicator == "DI_Cross" else 10
    return {
        "action": action,
        "indicator": indicator,
        "signal": {"type": kind, "direction": direction, "trigger": trigger},
        "market_data": {
            "symbol": "MES1!",
            "exchange": "CME_MINI",
            "timeframe": str(minutes),
            "timestamp": _iso(fired_at - timedelta(minutes=minutes)),
            "timenow": _iso(fired_at),
            **market,
        },
        "price_data": {"open": "6840", "high": "6843", "low": "6839.5", "close": "6842.25", "volume": "1200"},
    }


def make_alert(
    strategy: Strategy, action: str = "LONG_ENTRY", *, fired_at: datetime = START, **fields: Any
) -> Alert:
    """Return an accepted alert for a bar that closed at `fired_at`, received at that moment."""
    minutes = 15 if action.startswith("DI") else 10
    bar_open = fired_at - timedelta(minutes=minutes)
    values: dict[str, Any] = {
        "outcome": AlertOutcome.ACCEPTED,
        "received_at": fired_at,
        "source_address": "127.0.0.1",
        "action": action,
        "indicator": WORDS[action][0],
        "symbol": "MES1!",
        "exchange": "CME_MINI",
        "timeframe": str(minutes),
        "bar_open": bar_open,
        "fired_at": fired_at,
        "effective_at": effective_time(bar_open, timedelta(minutes=minutes), fired_at),
        "close": Decimal("6842.25"),
        "body": json.dumps(make_message(action, fired_at=fired_at)),
        **fields,
    }
    key = f"{values['indicator']}|{action}|{values['symbol']}|{values['timeframe']}|{_iso(bar_open)}"
    return Alert.objects.create(strategy=strategy, **{"event_key": key, **values})


def make_rejected_alert(strategy: Strategy, **fields: Any) -> Alert:
    """Return a message with a valid token that was no alert."""
    values: dict[str, Any] = {
        "outcome": AlertOutcome.REJECTED,
        "received_at": START,
        "source_address": "127.0.0.1",
        "body": "{}",
        "errors": {"action": ["Required."]},
        **fields,
    }
    return Alert.objects.create(strategy=strategy, **values)


def make_decision(alert: Alert, bot: Bot, **fields: Any) -> Decision:
    state = Snapshot(bot.id).public()
    values: dict[str, Any] = {
        "action": "ENTER_LONG",
        "reason": Reason.TREND_BLUE,
        "state_before": state,
        "state_after": state,
        "created_at": alert.received_at,
        **fields,
    }
    return Decision.objects.create(alert=alert, bot=bot, **values)


def make_order(bot: Bot, *, decision: Decision | None = None, **fields: Any) -> Order:
    """Return a filled order to buy one contract; fields override."""
    values: dict[str, Any] = {
        "account": bot.account,
        "purpose": OrderPurpose.OPEN,
        "contract": "MESZ6",
        "side": OrderSide.BUY,
        "quantity": 1,
        "client_order_id": f"td-{Order.objects.count() + 1:04}",
        "status": OrderStatus.FILLED,
        "broker_order_id": 1001,
        "created_at": START,
        "sent_at": START,
        **fields,
    }
    if values["status"] == OrderStatus.FILLED:
        filled = {"filled_quantity": values["quantity"], "average_price": Decimal("6842.25")}
        values = {**filled, "acknowledged_at": START, "settled_at": START, **values}
    return Order.objects.create(bot=bot, decision=decision, **values)


def make_fill(order: Order, **fields: Any) -> Fill:
    values: dict[str, Any] = {
        "broker_fill_id": 5001 + Fill.objects.count(),
        "contract": order.contract,
        "side": OrderSide(Side(order.side).value),
        "quantity": order.quantity,
        "price": Decimal("6842.25"),
        "filled_at": START,
        "created_at": START,
        **fields,
    }
    return Fill.objects.create(account=order.account, bot=order.bot, order=order, **values)


def make_incident(owner: Bot, kind: str = IncidentKind.POSITION_MISMATCH, **fields: Any) -> Incident:
    """Return an open incident of a bot that blocks its openings."""
    values: dict[str, Any] = {
        "account": owner.account,
        "bot": owner,
        "subject": owner.slug,
        "seen": {"broker": 1, "booked": 0},
        "blocks": "Openings of this bot",
        "remedy": "Look at the account at the broker.",
        "opened_at": START,
        "updated_at": START,
        **fields,
    }
    return Incident.objects.create(kind=kind, **values)


def make_notice(**fields: Any) -> Notice:
    """Return a notice that waits to be sent."""
    values: dict[str, Any] = {
        "kind": NoticeKind.STATEMENT,
        "about": new_id(),
        "subject": "Nothing was traded",
        "created_at": START,
        "next_try_at": START,
        **fields,
    }
    return Notice.objects.create(**values)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
