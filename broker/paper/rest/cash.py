"""The snapshot under /cashBalance: money of an account now, realised and open."""

from aiohttp import web

from broker.paper.rest.forms import Form
from broker.paper.rest.web import ACCOUNTS, CLOCK, EXCHANGE, read_body, reply

routes = web.RouteTableDef()


@routes.route("*", "/v1/cashBalance/getcashbalancesnapshot")
async def show_snapshot(request: web.Request) -> web.Response:
    """Add up an account: cash, what today and this week realised, what closing everything now would bring."""
    form = Form(await read_body(request))
    account_id = form.need_positive("accountId")
    form.check()
    if request.app[ACCOUNTS].get(account_id) is None:
        return reply({"errorText": "Access is denied"})
    book = request.app[EXCHANGE].book
    cash, margin = book.money.cash(account_id, request.app[CLOCK]()), book.tables.margins[account_id]
    open_profit = book.money.open_profit(account_id)
    return reply(
        {
            "totalCashValue": float(cash.amount),
            "totalPnL": float(open_profit + cash.realized_pnl),
            "initialMargin": float(margin.initial_margin),
            "maintenanceMargin": float(margin.maintenance_margin),
            "fullInitialMargin": float(margin.full_initial_margin),
            "netLiq": float(cash.amount + open_profit),
            "openPnL": float(open_profit),
            "realizedPnL": float(cash.realized_pnl),
            "weekRealizedPnL": float(cash.week_realized_pnl),
        }
    )
