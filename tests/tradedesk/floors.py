"""A desk on which a risk control is tried, and what can be done to it."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.db.models import Model

from broker.base import BrokerError, BrokerNotReached, BrokerOrderStatus
from tests.builders import confirm_calendars, make_bot, make_fill, make_order, make_strategy
from tests.fakes import START, FakeBroker, FakeCash, FakeClock, FakeLinks, make_desk
from tests.posting import Teller
from tests.strategy.builders import chicago
from tests.telling import BLUE, LEFT_BEHIND_S
from tests.tradedesk.test_trips import place
from tests.tradedesk.test_webhook_status import failing
from tradedesk import tasks, wiring
from tradedesk.models import Account, Bot, Environment, Order, OrderSide, OrderStatus
from tradedesk.services.alerts import alert_stream
from tradedesk.services.desk import Desk, Link
from tradedesk.services.halting import outer_wall
from tradedesk.services.halting.arming import NotArmed, arm
from tradedesk.services.halting.flat_by import flat_by
from tradedesk.services.halting.identity import check_account
from tradedesk.services.people.second_factor import VerifiedCode
from tradedesk.services.reconciling.reconciliation import reconcile
from tradedesk.services.reconciling.recovery import recover

AWAY = BrokerNotReached("no route")


@dataclass
class Floor:
    """A desk with one bot, and the event of its chart that calls for an opening."""

    bot: Bot
    desk: Desk
    broker: FakeBroker
    links: FakeLinks
    clock: FakeClock
    monkeypatch: pytest.MonkeyPatch
    afterwards: ExitStack
    event: str = BLUE
    minute: float = 0
    market: dict[str, Any] = field(default_factory=dict)

    def tell(self, event: str, minute: float) -> str:
        """Return the reason of the decision, or the status where there is none."""
        answer = Teller(self.clock)(event, minute, **self.market)
        decisions = answer.body.get("decisions")
        return str(decisions[0]["reason"] if decisions else answer.body["status"])

    def move(self, to: datetime) -> None:
        self.clock.advance((to - self.clock.now()).total_seconds())


type Act = Callable[[Floor], object]


def as_it_is(floor: Floor) -> None:
    """Change nothing."""


def in_turn(*acts: Act) -> Act:
    return lambda floor: [act(floor) for act in acts]


def have(model: type[Model], **fields: Any) -> Act:
    """Return what sets fields of all rows."""
    return lambda floor: model._default_manager.update(**fields)


def unanswered(call: str) -> Act:
    """Return what lets no call of a method of the broker be answered any more."""
    return lambda floor: floor.broker.fail(call, AWAY, times=99)


def failing_database(statement: str) -> Act:
    """Return what lets every statement with these words fail from now on."""
    return lambda floor: floor.afterwards.enter_context(failing(statement))


def look(floor: Floor) -> None:
    """Reconcile, as far as the broker lets itself be read."""
    with suppress(BrokerError):
        reconcile(floor.desk, Account.objects.all())


def look_twice(floor: Floor) -> None:
    look(floor)
    floor.clock.advance(5)
    look(floor)


# --- accounts ---


def on_demo(floor: Floor) -> None:
    Account.objects.update(environment=Environment.DEMO)
    confirm_calendars()


def check_identity(floor: Floor) -> None:
    """Sign a demo account off as the broker's number 1, and let that be checked with every link."""
    on_demo(floor)
    Account.objects.update(broker_account_id=1, broker_account_name="PAPER1")

    def checked(account: Account, *, timeout_s: float) -> Link:
        link = floor.links(account, timeout_s=timeout_s)
        check_account(account, link.account, floor.clock.now())
        return link

    desk = make_desk(floor.clock, checked)
    floor.monkeypatch.setattr(wiring, "desk", lambda: desk)


def live(floor: Floor) -> None:
    """Make the account a live one with its losses limited, and arm it."""
    number = floor.broker.accounts(timeout_s=1)[0].name
    Account.objects.update(
        environment=Environment.LIVE, daily_loss=500, drawdown=1000, broker_account_name=number
    )
    confirm_calendars()
    look(floor)
    arm_again(floor)


def arm_again(floor: Floor) -> None:
    """Let the arming lapse, the broker's own limits be read anew, and a person try to arm the account."""
    Account.objects.update(armed_until=None, wall={}, wall_read_at=None)
    outer_wall.read_walls(floor.desk)
    now = floor.clock.now()
    with suppress(NotArmed):
        code = VerifiedCode("ada", now)
        account = Account.objects.get()
        arm(
            account,
            code,
            number=account.broker_account_name,
            reason="morning",
            source_address="127.0.0.1",
            now=now,
        )


def money(value: str, *, gained: str = "0") -> Act:
    """Return what lets the desk read the account's value and what the session gained, in dollars."""

    def read_money(floor: Floor) -> None:
        floor.broker.money = FakeCash(Decimal(value), Decimal(gained), Decimal())
        look(floor)

    return read_money


def money_untold(floor: Floor) -> None:
    """Let two minutes pass in which the broker does not tell the account's money."""
    floor.broker.fail("cash", AWAY, times=99)
    floor.minute = 2
    floor.move(START + timedelta(minutes=2))
    look(floor)


# --- orders, fills, alerts ---


def an_order(floor: Floor, **fields: Any) -> Order:
    """Write an opening that is not over and has no answer yet."""
    values = {"status": OrderStatus.UNCONFIRMED, "broker_order_id": None, **fields}
    return make_order(floor.bot, **values)


def an_order_at_the_broker(floor: Floor) -> None:
    """Write an opening without an answer that the broker filled."""
    place(floor.broker, an_order(floor).client_order_id)


def recover_later(floor: Floor) -> None:
    floor.clock.advance(LEFT_BEHIND_S)
    recover(floor.desk)


def lost_orders(number: int) -> Act:
    """Return what writes orders that may have left."""
    return lambda floor: [an_order(floor, status=OrderStatus.LOST, settled_at=START) for _ in range(number)]


def unknown_order(floor: Floor) -> None:
    """Let the broker list a working order with an id of our form that the desk never wrote."""
    floor.broker.fills_at_once = False
    place(floor.broker, "td-0123")


def round_trip(floor: Floor) -> None:
    """Book fills of this session that the broker does not list, and that leave the bot as it was."""
    for held, side in enumerate((OrderSide.BUY, OrderSide.SELL)):
        make_fill(make_order(floor.bot, side=side, position_before=held, broker_order_id=None))


def cancel_legs(floor: Floor) -> None:
    for order in floor.broker.orders.values():
        if order.status is BrokerOrderStatus.WORKING:
            order.status = BrokerOrderStatus.CANCELLED


def watch_alerts(floor: Floor) -> None:
    alert_stream.watch(floor.clock.now())


def end_the_day(floor: Floor) -> None:
    """Compare the day with the broker's list, after which the next session has begun."""
    floor.move(chicago("2026-11-23 17:30"))
    tasks.write_statements()
    floor.minute = 8 * 60 + 40


# --- what is asked beside an opening ---


def second_bot(floor: Floor) -> str:
    """Make another bot of the account on a root, and return what stood in the way."""
    strategy = make_strategy("second", root=floor.market.pop("second", "MES"))
    try:
        with transaction.atomic():
            make_bot("second", strategy=strategy, account=floor.bot.account)
    except DatabaseError as error:
        return type(error).__name__
    return "made"


def keep_stop(floor: Floor) -> str:
    """Reconcile, and return what became of the stop."""
    before = len(floor.broker.submits)
    try:
        reconcile(floor.desk, Account.objects.all())
    except BrokerError:
        return "unread"
    return "kept" if len(floor.broker.submits) == before else "put back"


def be_flat(floor: Floor) -> str:
    """Do what is due three minutes before the flat-by time, and return what was seen."""
    floor.move(chicago("2026-11-23 15:05"))
    floor.minute = 6 * 60 + 10
    return "not flat" if flat_by(floor.desk) else "flat"
