"""What each kind of incident means, in a sentence or two for somebody who meets it for the first time."""

from tradedesk.models import IncidentKind

MEANINGS: dict[IncidentKind, str] = {
    IncidentKind.POSITION_MISMATCH: "Somebody traded the account beside the desk, or a fill is missing. "
    "The desk closes from what the broker holds, and opens nothing until both agree.",
    IncidentKind.UNHELD_TARGET: "An exit was refused, for trading was halted. The position is there though "
    "the strategy would hold none.",
    IncidentKind.ORDER_UNCONFIRMED: "The broker gave no usable answer to an order. It may work or be filled; "
    "it is never sent again, only looked for.",
    IncidentKind.AMBIGUOUS_EVENTS: "Two alerts say the opposite of each other about one moment, so the state "
    "that follows from them is a guess.",
    IncidentKind.FOREIGN_ORDER: "An order works at the broker that no decision of the desk led to.",
    IncidentKind.ACCOUNT_CHANGED: "The login opens another account than a person had signed off. Orders "
    "would go to other money.",
    IncidentKind.FOREIGN_POSITION: "The account holds a contract that none of its bots trades.",
    IncidentKind.HEARTBEAT_MISSED: "TradingView gave no sign of life for two bars; an exit may be missed so.",
    IncidentKind.STOP_MISSING: "A position should have a stop at the broker and has none of its size.",
    IncidentKind.LEG_NOT_CANCELLED: "A stop or target of a position that is gone could fill, and would open "
    "one the other way.",
    IncidentKind.ROLL_DUE: "The contract month ends soon. The desk moves a position to the next only when a "
    "person asks for it.",
    IncidentKind.ROLL_HALF_DONE: "The old month was closed, the order for the new one refused or lost.",
    IncidentKind.STATEMENT_DIFFERS: "The day's own books and the broker's list do not come to the same.",
    IncidentKind.OVERFILLED: "More contracts were filled than ordered; the books cannot be right.",
    IncidentKind.RUNAWAY_ORDER: "Something sends orders in the desk's name that it has not written down.",
    IncidentKind.VERSION_MISMATCH: "Two processes of the desk would judge the same alert by different rules.",
    IncidentKind.NOT_FLAT: "The account had to be flat by its time and is not.",
}
