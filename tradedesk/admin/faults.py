"""Whose a reason is: where a person looks first."""

from enum import Enum

from tradedesk.models import Reason


class Fault(Enum):
    """Who or what brought a reason about: a word for lists, and a sentence."""

    NOBODY = ("Nobody", "Nobody's. This is how the strategy works.")
    CHART = ("TradingView", "TradingView's side: the alert, its chart, or its way to the desk.")
    SETTING = ("Your settings", "Yours: a limit, a switch or a setting says so.")
    PERSON = ("A person", "A person's: somebody asked for it.")
    BROKER = ("The broker", "The broker's side: its answer, or that there was none.")
    CALENDAR = ("The calendar", "The market's: its hours, or the life of a contract.")
    DESK = ("The desk", "The desk's own: something is not finished, or has to be looked at.")

    @property
    def word(self) -> str:
        return self.value[0]

    @property
    def sentence(self) -> str:
        return self.value[1]


_REASONS = {
    Fault.NOBODY: (
        *(Reason.TREND_BLUE, Reason.TREND_RED, Reason.DI_UP, Reason.DI_DOWN, Reason.SAME_COLOR),
        *(Reason.NO_TREND_YET, Reason.CROSS_WITH_TREND, Reason.NOT_WAITING, Reason.ALREADY_OUT),
        *(Reason.FILTER_COLOR, Reason.TREND_FILTER, Reason.POSITION_LEFT, Reason.STOP_FILLED),
        Reason.TARGET_FILLED,
    ),
    Fault.CHART: (
        *(Reason.LATE_NO_EFFECT, Reason.DELAYED_DATA, Reason.UNKNOWN_SYMBOL, Reason.WRONG_TIMEFRAME),
        *(Reason.INTRABAR, Reason.FUTURE_BAR, Reason.EVENT_WINDOW, Reason.TOO_OLD, Reason.ALERTS_SILENT),
        *(Reason.AMBIGUOUS, Reason.NO_STOP_PRICE, Reason.CONTRACT_MISMATCH),
    ),
    Fault.SETTING: (
        *(Reason.BOT_DISABLED, Reason.NOT_ARMED, Reason.RISK_SIZE, Reason.MAX_POSITION),
        *(Reason.MAX_ACCOUNT_POSITION, Reason.MAX_GROUP_POSITION, Reason.TOO_MANY_ORDERS),
        *(Reason.DAILY_LOSS, Reason.DRAWDOWN, Reason.LOSING_STREAK, Reason.TOO_MANY_TRADES),
        *(Reason.MARGIN, Reason.PRICE_UNCHECKED, Reason.CALENDAR_UNCONFIRMED, Reason.FLAT_BY),
    ),
    Fault.PERSON: (Reason.HALTED, Reason.FLATTEN, Reason.ADOPTED),
    Fault.BROKER: (
        *(Reason.BROKER_UNREACHABLE, Reason.BROKER_REJECTED, Reason.POSITION_MISMATCH),
        *(Reason.STATEMENT_DIFFERS, Reason.CONTRACT_UNKNOWN, Reason.STOP_MISSING),
    ),
    Fault.CALENDAR: (Reason.SESSION_CLOSED, Reason.CONTRACT_ROLLED, Reason.ROLL_CUTOFF),
    Fault.DESK: (
        *(Reason.VERSION_MISMATCH, Reason.REDUCING, Reason.RECONCILING, Reason.ORDER_UNCONFIRMED),
        *(Reason.CLOCK_OFF, Reason.ORDER_SIZE, Reason.NOT_TOWARD_FLAT, Reason.NOT_REACHED),
    ),
}
FAULTS = {reason: fault for fault, reasons in _REASONS.items() for reason in reasons}
