from django.db.models import TextChoices


class Reason(TextChoices):
    """Why a decision came out as it did, in one sentence. What to do about it is in `REMEDIES`."""

    TREND_BLUE = "TREND_BLUE", "The trend turned blue."
    TREND_RED = "TREND_RED", "The trend turned red."
    DI_UP = "DI_UP", "DI+ crossed above DI-."
    DI_DOWN = "DI_DOWN", "DI- crossed above DI+."

    SAME_COLOR = "SAME_COLOR", "The trend already had this colour."
    NO_TREND_YET = "NO_TREND_YET", "A crossing before the first trend colour means nothing yet."
    CROSS_WITH_TREND = "CROSS_WITH_TREND", "The crossing agrees with the position that is held."
    NOT_WAITING = (
        "NOT_WAITING",
        "The crossing agrees with the trend, but the bot was not waiting for re-entry.",
    )
    ALREADY_OUT = "ALREADY_OUT", "The crossing calls for an exit, but the bot is already out."
    FILTER_COLOR = "FILTER_COLOR", "The alert tells the colour of the filter."
    TREND_FILTER = (
        "TREND_FILTER",
        "The filter's colour is against this opening, or not known yet.",
    )
    LATE_NO_EFFECT = "LATE_NO_EFFECT", "The event came late and newer events outweigh it."

    DELAYED_DATA = "DELAYED_DATA", "The chart shows delayed data."
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL", "The alert's symbol is not the strategy's instrument."
    WRONG_TIMEFRAME = "WRONG_TIMEFRAME", "The alert's timeframe is not the strategy's."
    INTRABAR = "INTRABAR", "The alert fired before its bar closed, and the strategy takes closed bars only."
    FUTURE_BAR = "FUTURE_BAR", "The bar or the alert lies more than two minutes in the future."
    EVENT_WINDOW = "EVENT_WINDOW", "The event is older than the window of events that the bot remembers."

    HALTED = "HALTED", "Trading is halted."
    VERSION_MISMATCH = "VERSION_MISMATCH", "Processes of different versions or settings run together."
    REDUCING = "REDUCING", "Only orders toward flat may leave."
    BOT_DISABLED = "BOT_DISABLED", "The bot or its account is switched off."
    NOT_ARMED = "NOT_ARMED", "The live account is not armed, or its arming ended with the session."
    RECONCILING = "RECONCILING", "The account has not been reconciled since the desk started."
    TOO_OLD = "TOO_OLD", "The event that calls for this opening is too old."
    SESSION_CLOSED = "SESSION_CLOSED", "The market is closed."
    ALERTS_SILENT = "ALERTS_SILENT", "Two heartbeats of the alerts are missing."
    STATEMENT_DIFFERS = (
        "STATEMENT_DIFFERS",
        "A daily statement differs from the broker's list, or could not be compared.",
    )
    FLAT_BY = "FLAT_BY", "The account must be flat soon, or had to be by now."
    CALENDAR_UNCONFIRMED = (
        "CALENDAR_UNCONFIRMED",
        "Nobody confirmed the trading calendar of the next 14 days.",
    )
    AMBIGUOUS = "AMBIGUOUS", "Two opposite events of one indicator have the same time."
    POSITION_MISMATCH = "POSITION_MISMATCH", "The broker holds another position than the desk booked."
    ORDER_UNCONFIRMED = "ORDER_UNCONFIRMED", "An earlier order's outcome is not known yet."
    CLOCK_OFF = "CLOCK_OFF", "The broker's clock and this machine's do not agree."
    ORDER_SIZE = "ORDER_SIZE", "The order is larger than what is held and one opening come to."
    NOT_TOWARD_FLAT = "NOT_TOWARD_FLAT", "The closing would pass flat, or there is nothing to close."
    NO_STOP_PRICE = "NO_STOP_PRICE", "The alert has no close from which the stop could be reckoned."
    RISK_SIZE = "RISK_SIZE", "The risk allowed buys no contract, or the account's value is not known."
    MAX_POSITION = "MAX_POSITION", "The order would pass the bot's largest position."
    MAX_ACCOUNT_POSITION = (
        "MAX_ACCOUNT_POSITION",
        "The account would hold more contracts than its largest position.",
    )
    MAX_GROUP_POSITION = (
        "MAX_GROUP_POSITION",
        "Instruments that move together would pass the account's largest position in a group.",
    )
    TOO_MANY_ORDERS = "TOO_MANY_ORDERS", "The bot or its account has sent as many orders as it may."
    DAILY_LOSS = "DAILY_LOSS", "The loss of this session has reached its limit, or is not known."
    DRAWDOWN = "DRAWDOWN", "The account has fallen too far from its highest value, or its value is not known."
    LOSING_STREAK = "LOSING_STREAK", "Too many trades in a row have lost in this session."
    TOO_MANY_TRADES = "TOO_MANY_TRADES", "The bot or its account has made all its trades of this session."
    MARGIN = "MARGIN", "The margin available is too small for the new position, or is not known."
    PRICE_UNCHECKED = "PRICE_UNCHECKED", "Without a quote feed a live bot opens one contract at most."
    CONTRACT_ROLLED = "CONTRACT_ROLLED", "The position is in a contract that is no longer the front month."
    ROLL_CUTOFF = (
        "ROLL_CUTOFF",
        "The contract is too close to first notice or expiry, or its dates are not known.",
    )
    CONTRACT_UNKNOWN = "CONTRACT_UNKNOWN", "The contract or its terms could not be confirmed with the broker."
    CONTRACT_MISMATCH = "CONTRACT_MISMATCH", "The chart shows another contract than the desk would trade."
    BROKER_UNREACHABLE = "BROKER_UNREACHABLE", "The broker could not be asked for the position."
    BROKER_REJECTED = "BROKER_REJECTED", "The broker rejected the order."
    NOT_REACHED = "NOT_REACHED", "Time ran out, or records could not be read; recovery decides it."

    FLATTEN = "FLATTEN", "A person asked to close the position."
    ADOPTED = "ADOPTED", "A person adopted the broker's position."
    POSITION_LEFT = "POSITION_LEFT", "A position was held that the strategy had left before this event."
    STOP_FILLED = "STOP_FILLED", "The protective stop closed the position."
    TARGET_FILLED = "TARGET_FILLED", "The target closed the position."
    STOP_MISSING = "STOP_MISSING", "The position had no stop at the broker any more, so it was closed."


REMEDIES: dict[Reason, str] = {
    Reason.TREND_BLUE: "Nothing to do.",
    Reason.TREND_RED: "Nothing to do.",
    Reason.DI_UP: "Nothing to do.",
    Reason.DI_DOWN: "Nothing to do.",
    Reason.SAME_COLOR: "Nothing to do. A colour acts once, when it changes.",
    Reason.NO_TREND_YET: "Nothing to do. The first trend alert starts the bot.",
    Reason.CROSS_WITH_TREND: "Nothing to do.",
    Reason.NOT_WAITING: "Nothing to do. After a missed entry or a forced exit the next colour change enters.",
    Reason.ALREADY_OUT: "Nothing to do.",
    Reason.FILTER_COLOR: "Nothing to do. The filter trades nothing; it is asked when something is to open.",
    Reason.TREND_FILTER: "Nothing to do. The next colour change enters if the filter agrees with it.",
    Reason.LATE_NO_EFFECT: "Nothing to do. If it happens often, look at the delay from bar close to receipt.",
    Reason.DELAYED_DATA: "Buy real-time data for the exchange in TradingView and make the alert anew.",
    Reason.UNKNOWN_SYMBOL: "Make the alert on the strategy's symbol, or give the strategy that instrument.",
    Reason.WRONG_TIMEFRAME: "Make the alert on a chart with the strategy's timeframe.",
    Reason.INTRABAR: 'Set the alert to "Once per bar close", or switch off "bar close only" on the strategy.',
    Reason.FUTURE_BAR: "Check the clock of this machine, and the {{time}} and {{timenow}} of the alert.",
    Reason.EVENT_WINDOW: "Nothing to do for the position. Find out why the alert came so late.",
    Reason.HALTED: "Release the kill switch when you are sure. Nothing is sent by itself afterwards.",
    Reason.VERSION_MISMATCH: "Restart every process from one version with one set of settings, then release.",
    Reason.REDUCING: "See the open incidents of the account, or set the trading state to active.",
    Reason.BOT_DISABLED: "Switch the bot and its account on.",
    Reason.NOT_ARMED: "Arm the account on the kill switch page: it takes its number and a one-time code.",
    Reason.RECONCILING: "Run reconcile, and see /readyz for what it waits for.",
    Reason.TOO_OLD: "The next colour change enters. Look at TradingView's delay and MAX_ALERT_AGE_S.",
    Reason.SESSION_CLOSED: "Nothing to do. The next colour change inside the session enters.",
    Reason.ALERTS_SILENT: "Look at the alerts in TradingView: the one for the exit may have stopped as well.",
    Reason.STATEMENT_DIFFERS: "Compare the incident with the broker's statement; resolving it accepts it.",
    Reason.FLAT_BY: "Nothing to do. The flat-by time is on the account; the next session opens again.",
    Reason.CALENDAR_UNCONFIRMED: "Compare it with the exchange's announcement and confirm it in the panel.",
    Reason.AMBIGUOUS: "Look at the two alerts, remove the wrong one in TradingView, resolve the incident.",
    Reason.POSITION_MISMATCH: "See the incident: adopt the broker's position, or correct it at the broker.",
    Reason.ORDER_UNCONFIRMED: "Run recover; it asks the broker. Look at the broker's own order list.",
    Reason.CLOCK_OFF: "Let this machine's clock follow a time server. The next colour change enters.",
    Reason.ORDER_SIZE: "The bot is halted: report it. Look at the figures before you release it.",
    Reason.NOT_TOWARD_FLAT: "Run reconcile; the broker's position changed while the order was sized.",
    Reason.NO_STOP_PRICE: "Let the alert send {{close}}; see the message on the strategy's page.",
    Reason.RISK_SIZE: "Raise the risk, lower the stop's distance, or see whether the account reconciles.",
    Reason.MAX_POSITION: "Raise the bot's largest position if the size is meant.",
    Reason.MAX_ACCOUNT_POSITION: "Wait until another bot is flat, or raise the account's largest position.",
    Reason.MAX_GROUP_POSITION: "Wait until a bot of the group is flat, or raise the group's limit.",
    Reason.TOO_MANY_ORDERS: "The bot is halted. Find out why it trades so often before you release it.",
    Reason.DAILY_LOSS: "Wait for the next session or raise the limit. An account waits for your release.",
    Reason.DRAWDOWN: "Only exits pass. Decide whether to go on, then raise the limit or set it anew.",
    Reason.LOSING_STREAK: "Nothing to do: the bot rests until the next session, or raise the limit.",
    Reason.TOO_MANY_TRADES: "Nothing to do: the bot rests until the next session, or raise the limit.",
    Reason.MARGIN: "Lower the size, add funds, or give the instrument its margin.",
    Reason.PRICE_UNCHECKED: "Set the size of the live bot to one contract.",
    Reason.CONTRACT_ROLLED: "Close the old contract; the next colour change opens in the new one.",
    Reason.ROLL_CUTOFF: "Wait for the broker's roll, or pin the next month on the instrument.",
    Reason.CONTRACT_UNKNOWN: "Compare tick and point value of the instrument with the broker's product.",
    Reason.CONTRACT_MISMATCH: "Wait for the chart's roll, or pin the contract on the instrument.",
    Reason.BROKER_UNREACHABLE: "Check it with doctor. The next event or a flatten closes a position.",
    Reason.BROKER_REJECTED: "Read the broker's text on the order: margin, limits, or a closed session.",
    Reason.NOT_REACHED: "Nothing to do. Recovery decides it and honours the age rule.",
    Reason.FLATTEN: "Nothing to do. The next colour change enters.",
    Reason.ADOPTED: "Nothing to do. The next colour change enters.",
    Reason.POSITION_LEFT: "Nothing to do. An exit that was refused or failed earlier is made up for.",
    Reason.STOP_FILLED: "Nothing to do. The next colour change enters.",
    Reason.TARGET_FILLED: "Nothing to do. The next colour change enters.",
    Reason.STOP_MISSING: "Find out at the broker what became of the stop. The next colour change enters.",
}
