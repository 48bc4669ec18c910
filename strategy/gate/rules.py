from collections.abc import Callable
from dataclasses import dataclass

from strategy.gate import verdicts
from strategy.gate.facts import Facts
from strategy.gate.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its number in the table of risk controls, its reason code, what it looks at, its default.

    `judge` returns whether the order passes, None where what it looks at could not be read, and the figures.
    """

    number: str
    code: str
    looks_at: str
    default: str
    judge: Callable[[Facts], Verdict]


_HALTED = Rule("P1", "HALTED", "strictest trading state of desk, account and bot", "on", verdicts.mode)
_READ = Rule("P5", "BROKER_UNREACHABLE", "position, as the broker says", "on", verdicts.position_read)

# In the order in which a refusal is named: the gravest first.
OPENING = (
    _HALTED,
    Rule("P1", "VERSION_MISMATCH", "code and settings of the processes", "on", verdicts.versions_agree),
    Rule("P1", "REDUCING", "strictest trading state", "on", verdicts.free_to_open),
    Rule("P1", "BOT_DISABLED", "switch of bot and account", "on", verdicts.enabled),
    Rule("P2", "NOT_ARMED", "arming of a live account", "on", verdicts.armed),
    _READ,
    Rule("P1", "RECONCILING", "reconciliation since the start", "on", verdicts.reconciled),
    Rule("P10", "ORDER_UNCONFIRMED", "orders without an end", "on", verdicts.nothing_unfinished),
    Rule("P5", "POSITION_MISMATCH", "position booked and held, incidents", "on", verdicts.position_agrees),
    Rule("P18", "AMBIGUOUS", "opposite events at one time", "on", verdicts.unambiguous),
    Rule("P18", "DELAYED_DATA", "exchange of the chart", "on", verdicts.real_time),
    Rule("P7", "TOO_OLD", "age of the event", "60 s", verdicts.young),
    Rule("P8", "CLOCK_OFF", "broker's clock and ours", "2 s", verdicts.clock_agrees),
    Rule("Q4", "ALERTS_SILENT", "heartbeats of the chart", "2 missed", verdicts.alerts_alive),
    Rule("Q7", "STATEMENT_DIFFERS", "last daily statement", "to the cent", verdicts.statement_agrees),
    Rule("P12", "SESSION_CLOSED", "session of the exchange", "on", verdicts.session_open),
    Rule("P12", "FLAT_BY", "flat-by time of the account", "15 min before", verdicts.before_flat_by),
    Rule("P12", "CALENDAR_UNCONFIRMED", "days that a person confirmed", "14", verdicts.calendar_confirmed),
    Rule("P3", "CONTRACT_UNKNOWN", "terms of the contract", "on", verdicts.contract_confirmed),
    Rule("P3", "CONTRACT_ROLLED", "month held and front month", "on", verdicts.contract_is_front),
    Rule(
        "P3", "ROLL_CUTOFF", "days to first notice or expiry", "5, settled in cash 2", verdicts.before_cutoff
    ),
    Rule("P3", "CONTRACT_MISMATCH", "contract of the chart", "on", verdicts.contract_matches_chart),
    Rule("Q5", "NO_STOP_PRICE", "price of the stop that goes along", "on", verdicts.stop_priced),
    Rule("P4", "RISK_SIZE", "contracts that the risk allows", "off", verdicts.risk_allows),
    Rule("P4", "ORDER_SIZE", "contracts of the order", "size, and what is closed", verdicts.order_size),
    Rule("P5", "MAX_POSITION", "position of the bot afterwards", "size", verdicts.within_limit),
    Rule("P5", "MAX_ACCOUNT_POSITION", "contracts of the account afterwards", "3", verdicts.within_account),
    Rule("P5", "MAX_GROUP_POSITION", "micros of the group afterwards", "3", verdicts.within_group),
    Rule("P11", "TOO_MANY_ORDERS", "orders per minute, day, session", "6, 40, 12", verdicts.few_orders),
    Rule("P13", "DAILY_LOSS", "loss of the session", "none, live needs one", verdicts.small_loss),
    Rule("P13", "DRAWDOWN", "fall from the highest value", "none, live needs one", verdicts.small_drawdown),
    Rule("P14", "LOSING_STREAK", "losing trades in a row, this session", "4", verdicts.few_losers),
    Rule("P14", "TOO_MANY_TRADES", "trades of the session", "10", verdicts.few_trades),
    Rule("P15", "MARGIN", "margin available and needed", "1.5 times", verdicts.enough_margin),
    Rule("P16", "PRICE_UNCHECKED", "quotes; without a feed, the position", "on", verdicts.price_sane),
)

# Trading state, identity and quantity, nothing else.
CLOSING = (
    _HALTED,
    _READ,
    # Two closings at once could both fill and pass zero.
    Rule("P10", "ORDER_UNCONFIRMED", "closings without an end", "on", verdicts.no_closing_unfinished),
    Rule("P6", "NOT_TOWARD_FLAT", "contracts held and ordered", "on", verdicts.toward_flat),
)
