"""Commands about accounts: starting afresh, and what an administrator lets them do."""

from dataclasses import replace

from aiohttp import web

from broker.paper.engine.requests import Origin
from broker.paper.records.risk_rows import AccountRiskStatus, AdminAction
from broker.paper.records.wire import encode
from broker.paper.rest.forms import Form
from broker.paper.rest.web import ACCOUNTS, CLOCK, EXCHANGE, read_body, reply, session_of

DENIED = "Access is denied"
MOST_ACCOUNTS = 100
REASON_CODES = frozenset(
    {"CallIn", "ClosingAccount", "ComplianceRequest", "FullBalanceWithdrawal", "LowLiquidity", "Other"}
)

routes = web.RouteTableDef()


@routes.route("*", "/v1/account/resetdemoaccountstate")
async def reset_accounts(request: web.Request) -> web.Response:
    """Cancel and close all of some accounts and give them the cash they began with.

    Whatever the trade date asked for: how they stood on earlier days is not kept.
    """
    form = Form(await read_body(request))
    account_ids, day = form.ids("accountIds", MOST_ACCOUNTS), form.need_part("resetTradeDate")
    for name in ("year", "month", "day"):
        day.need_positive(name, 9999)
    form.check()
    if any(request.app[ACCOUNTS].get(account_id) is None for account_id in account_ids):
        return reply({"ok": False, "errorText": DENIED})
    session = session_of(request)
    for account_id in account_ids:
        request.app[EXCHANGE].start_afresh(account_id, Origin(session.user.id, session.id))
    return reply({"ok": True})


@routes.route("*", "/v1/accountRiskStatus/setadminautoliqaction")
async def set_admin_action(request: web.Request) -> web.Response:
    """Set what an account may do: anything, only close, or nothing."""
    form = Form(await read_body(request))
    account_id = form.need_positive("accountId")
    action = form.need_text("adminAction", tuple(AdminAction))
    form.need_text("adminActionReasonCode", REASON_CODES)
    form.check()
    row = request.app[EXCHANGE].book.tables.risk_statuses.get(account_id)
    if row is None:
        return reply({"errorText": DENIED})
    now = request.app[CLOCK]()
    return _set_status(request, replace(row, admin_action=AdminAction(action), admin_timestamp=now))


@routes.route("*", "/v1/accountRiskStatus/resetautoliqstatus")
async def reset_auto_liq(request: web.Request) -> web.Response:
    """Let an account trade again that may only close or was locked."""
    form = Form(await read_body(request))
    account_id = form.need_positive("accountId")
    form.check()
    if request.app[EXCHANGE].book.tables.risk_statuses.get(account_id) is None:
        return reply({"errorText": DENIED})
    return _set_status(request, AccountRiskStatus(account_id, admin_timestamp=request.app[CLOCK]()))


def _set_status(request: web.Request, row: AccountRiskStatus) -> web.Response:
    exchange = request.app[EXCHANGE]
    return reply({"accountRiskStatus": encode(exchange.put(exchange.book.tables.risk_statuses, row))})
