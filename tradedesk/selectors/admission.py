from dataclasses import dataclass
from functools import cache

from tradedesk.models import Account, Bot, Instrument, Strategy, WebhookToken
from tradedesk.stores import rows
from tradedesk.stores.rows import Statement


@dataclass(frozen=True)
class Admission:
    """What a webhook token opens: its strategy, and the bots that alerts drive, disabled ones included."""

    digest: str
    strategy: Strategy
    bots: list[Bot]


def admission_of(digest: str) -> Admission | None:
    """Return what a token with this SHA-256 opens, None for an unknown or revoked one. One query."""
    found = rows.read_first(Statement(_sql(), [digest]))
    if not found:
        return None
    strategy = _strategy(found[0])
    return Admission(
        found[0][0], strategy, [_bot(row, strategy) for row in found if row[_BOTS_ID] is not None]
    )


_TABLES = {"s": Strategy, "i": Instrument, "b": Bot, "a": Account, "c": Instrument}
_INSTRUMENT = 1 + rows.width(Strategy)
_BOT = _INSTRUMENT + rows.width(Instrument)
_BOTS_ID = _BOT + rows.place(Bot, "id")
_ACCOUNT = _BOT + rows.width(Bot)
_BOTS_INSTRUMENT = _ACCOUNT + rows.width(Account)


@cache
def _sql() -> str:
    names = {alias: model._meta.db_table for alias, model in _TABLES.items()}
    picked = ", ".join(rows.columns(model, alias) for alias, model in _TABLES.items())
    return (
        f"SELECT t.digest, {picked} FROM {WebhookToken._meta.db_table} t"  # noqa: S608 - own tables
        f" JOIN {names['s']} s ON s.id = t.strategy_id JOIN {names['i']} i ON i.id = s.instrument_id"
        f" LEFT JOIN {names['b']} b ON b.strategy_id = s.id"
        f" LEFT JOIN {names['a']} a ON a.id = b.account_id"
        f" LEFT JOIN {names['c']} c ON c.id = b.instrument_id"
        f" WHERE t.digest = %s AND t.revoked_at IS NULL ORDER BY b.slug"
    )


def _strategy(row: tuple[object, ...]) -> Strategy:
    strategy = rows.load(Strategy, row[1:_INSTRUMENT])
    strategy.instrument = rows.load(Instrument, row[_INSTRUMENT:_BOT])
    return strategy


def _bot(row: tuple[object, ...], strategy: Strategy) -> Bot:
    bot = rows.load(Bot, row[_BOT:_ACCOUNT])
    bot.strategy = strategy
    bot.account = rows.load(Account, row[_ACCOUNT:_BOTS_INSTRUMENT])
    is_same = bot.instrument_id == strategy.instrument_id
    bot.instrument = strategy.instrument if is_same else rows.load(Instrument, row[_BOTS_INSTRUMENT:])
    return bot
