from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection

from strategy.machine import fold, memory_of
from strategy.types import Direction, Memory, StandDown
from tests.builders import LONG_AGO
from tests.simulation import endings
from tradedesk.models import (
    Account,
    Alert,
    Bot,
    BotState,
    Decision,
    Fill,
    Order,
    OrderPurpose,
    OrderStatus,
    TradingMode,
)
from tradedesk.services.alerts.signals import event_of, refusal_of_alert
from tradedesk.services.halting.trading_state import scopes_of
from tradedesk.stores import rows
from tradedesk.stores.positions import Snapshot, _keys, stored

if TYPE_CHECKING:
    from tests.simulation.world import World

OPENINGS = (OrderPurpose.OPEN, OrderPurpose.REVERSE)
# A position that was read so long before a person traded may size an order that was claimed afterwards.
READ_BEFORE = timedelta(seconds=10)


class LawBroken(AssertionError):
    """The desk did what it must never do."""


class Laws:
    """What must hold at every order that arrives, after every step, and once everything is quiet."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._arrived: dict[str, Order] = {}
        self._openings: Counter[UUID] = Counter()
        self._broken: list[str] = []
        self._seen: tuple[Any, ...] = ()
        # What calls of the kill switch returned, by scope, and which alerts were answered 200.
        self.switched: dict[str, TradingMode] = {}
        self.answered: set[str] = set()
        self.traded_by_hand: dict[int, datetime] = {}

    def order_arrives(self, body: dict[str, Any], *, late: bool) -> None:
        """Look at an order that reaches the broker, before it is taken in."""
        with self._world.database.unwatched():
            name = body["clOrdId"]
            if connection.in_atomic_block:
                self._break(f"{name} was sent inside a transaction")
            row = Order.objects.select_related("bot", "account").filter(client_order_id=name).first()
            if row is None:
                self._break(f"{name} arrives without an intent")
                return
            if name in self._arrived:
                self._break(f"{name} arrives twice")
            self._arrived[name] = row
            if (row.contract, row.quantity) != (body["symbol"], body["orderQty"]):
                self._break(f"{name} is not what was intended: {body}")
            self._look_at_openings(row)
            if not late:
                self._require(row.status == OrderStatus.SENT, f"{row} arrives while {row.status}")
                self._look_at_switch(row)
            self._look_at_size(row, body["accountId"])

    def after_step(self) -> None:
        """Raise LawBroken unless everything holds that holds at any time."""
        with self._world.database.unwatched():
            self._raise_broken()
            for bot in self._world.bots:
                self._look_at_held(bot)
            if (seen := self._figures()) != self._seen:
                self._seen = seen
                self._look_at_rows()
            self._raise_broken()

    def when_quiet(self) -> None:
        """Raise LawBroken unless everything is settled or an open incident says why not."""
        self.after_step()
        with self._world.database.unwatched():
            for complaint in endings.complaints(self._world.venue, self._world.bots):
                self._break(complaint)
            self._raise_broken()

    def _figures(self) -> tuple[Any, ...]:
        """Return what shows whether anything is new since the last look, in one short query."""
        tables = (BotState, Decision, Fill)
        columns = ("sum(version)", "count(*)", "count(*)")
        parts = (
            f"(SELECT {column} FROM {table._meta.db_table})"
            for table, column in zip(tables, columns, strict=True)
        )
        ((*figures,),) = rows.read(rows.Statement(f"SELECT {', '.join(parts)}", []))
        return *figures, len(self.answered), *(self._copy(bot) for bot in self._world.bots)

    def _look_at_rows(self) -> None:
        for bot in self._world.bots:
            self._look_at_memory(bot)
        self._look_at_fills()
        known = Alert.objects.filter(pk__in=self.answered).count()
        self._require(known == len(self.answered), "an answered alert is not stored")

    def _copy(self, bot: Bot) -> Any:
        """Return the text that Redis has of a bot."""
        return self._world.redis.client.get(_keys(bot.id)[1])

    def _look_at_openings(self, row: Order) -> None:
        if row.purpose in OPENINGS and row.decision_id is not None:
            self._openings[row.decision_id] += 1
            self._require(self._openings[row.decision_id] == 1, f"{row} opens for one event again")

    def _look_at_switch(self, row: Order) -> None:
        for scope in scopes_of(row.account, row.bot):
            mode = self.switched.get(scope)
            if row.purpose == OrderPurpose.FLATTEN or mode is None:
                continue
            is_let_through = mode is TradingMode.REDUCING and row.purpose not in OPENINGS
            self._require(is_let_through, f"{row} ({row.purpose}) arrives after {mode} of {scope} returned")

    def _look_at_size(self, row: Order, account_id: int) -> None:
        """No opening takes the account past the bot's limit, and no closing past zero.

        What a closing may count on is held, or closed by others at work: an opening at work may never fill.
        """
        assert row.bot is not None
        venue, is_opening = self._world.venue, row.purpose in OPENINGS
        at_work = (left for name, left in venue.at_work(account_id) if is_opening or self._closes(name))
        before = venue.held(account_id) + sum(at_work)
        after = before + row.signed_quantity
        traded_at = self.traded_by_hand.get(account_id, LONG_AGO)
        if row.sent_at is None or traded_at > row.sent_at - READ_BEFORE or _is_misled(row.account):
            return
        figures = f"{row} ({row.purpose}) with {before:+d} held or at work"
        if is_opening:
            self._require(abs(after) <= row.bot.position_limit, f"{figures} goes past the limit")
        else:
            self._require(abs(after) < abs(before) and after * before >= 0, f"{figures} does not close")

    def _closes(self, client_order_id: str) -> bool:
        row = self._arrived.get(client_order_id)
        return row is not None and row.purpose not in OPENINGS

    def _look_at_memory(self, bot: Bot) -> None:
        """The state is what the stored alerts and the stand-downs fold to, in the database and in Redis."""
        snapshot = stored(bot.id)
        decided = Decision.objects.filter(bot=bot).select_related("alert")
        facts = [row.alert for row in decided if refusal_of_alert(row.alert, bot.strategy) is None]
        stand_downs = [entry for entry in snapshot.memory.entries if isinstance(entry, StandDown)]
        replayed = memory_of([*(event_of(alert, bot.strategy) for alert in facts), *stand_downs])
        self._require(replayed == snapshot.memory, f"{bot}: replayed {replayed}, stored {snapshot.memory}")
        self._require(
            derived(replayed) == fold(replayed).position, f"{bot}: the fold is not the reference fold"
        )
        text = self._copy(bot)
        copy = Snapshot.from_json(bot.id, text) if text else None
        if copy is not None:
            is_older = copy.version < snapshot.version
            is_same = _as_kept(copy) == _as_kept(snapshot)
            self._require(is_older or is_same, f"{bot}: Redis has {copy}, the database {snapshot}")

    def _look_at_held(self, bot: Bot) -> None:
        account_id = self._world.venue.account_id(bot.account.broker_account)
        held = self._world.venue.held(account_id)
        if account_id not in self.traded_by_hand:
            is_within = abs(held) <= bot.position_limit or _is_misled(bot.account)
            self._require(is_within, f"{bot} holds {held}, past its limit")

    def _look_at_fills(self) -> None:
        ours = Fill.objects.values_list("broker_fill_id", "order__broker_order_id", "side", "quantity")
        fills = self._world.venue.book.tables.fills
        theirs = {(fill.id, fill.order_id, fill.action.upper(), fill.qty) for fill in fills}
        self._require(
            set(ours) <= theirs, f"fills booked that the broker does not know: {set(ours) - theirs}"
        )

    def _require(self, holds: bool, text: str) -> None:
        if not holds:
            self._break(text)

    def _break(self, text: str) -> None:
        self._world.note(f"LAW BROKEN: {text}")
        self._broken.append(text)

    def _raise_broken(self) -> None:
        if self._broken:
            raise LawBroken("; ".join(self._broken))


def _is_misled(account: Account) -> bool:
    """Tell whether a person declared an order lost: that word may have been wrong."""
    return Order.objects.filter(account=account, note__startswith="Declared lost by").exists()


def _as_kept(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot with its price as exact as the database has it: to eight decimals."""
    price = snapshot.average_price
    return replace(snapshot, average_price=None if price is None else round(price, 8))


def derived(memory: Memory) -> Direction:
    """Return the target, reckoned by the strategy's rules anew, in words of their own."""
    position, color, waiting = Direction.NONE, None, False
    for entry in memory.entries:
        if isinstance(entry, StandDown):
            position, waiting = Direction.NONE, False
        elif entry.value in ("BLUE", "RED"):
            if entry.value != color:
                color, waiting = entry.value, False
                position = Direction.LONG if color == "BLUE" else Direction.SHORT
        elif color and (entry.value == "UP") == (color == "BLUE"):
            if position is Direction.NONE and waiting:
                position, waiting = (Direction.LONG if color == "BLUE" else Direction.SHORT), False
        elif position is not Direction.NONE:
            position, waiting = Direction.NONE, True
    return position
