from tradedesk.models.alerts import Alert, AlertOutcome
from tradedesk.models.bots import Account, Bot, BotState, Environment, Strategy, WebhookToken
from tradedesk.models.calendar import FlatDay, Holiday, SessionRule
from tradedesk.models.controls import (
    AuditEntry,
    Cause,
    FlattenWish,
    TradingMode,
    TradingState,
    TradingStateChange,
)
from tradedesk.models.decisions import Decision
from tradedesk.models.incidents import Incident, IncidentKind
from tradedesk.models.instruments import Instrument
from tradedesk.models.lease import Lease
from tradedesk.models.notices import Notice, NoticeKind, Watermark
from tradedesk.models.orders import LEGS, OPEN_STATUSES, Fill, Order, OrderPurpose, OrderSide, OrderStatus
from tradedesk.models.processes import RunningProcess
from tradedesk.models.reasons import REMEDIES, Reason
from tradedesk.models.task_runs import TaskRun

__all__ = [
    "LEGS",
    "OPEN_STATUSES",
    "REMEDIES",
    "Account",
    "Alert",
    "AlertOutcome",
    "AuditEntry",
    "Bot",
    "BotState",
    "Cause",
    "Decision",
    "Environment",
    "Fill",
    "FlatDay",
    "FlattenWish",
    "Holiday",
    "Incident",
    "IncidentKind",
    "Instrument",
    "Lease",
    "Notice",
    "NoticeKind",
    "Order",
    "OrderPurpose",
    "OrderSide",
    "OrderStatus",
    "Reason",
    "RunningProcess",
    "SessionRule",
    "Strategy",
    "TaskRun",
    "TradingMode",
    "TradingState",
    "TradingStateChange",
    "Watermark",
    "WebhookToken",
]
