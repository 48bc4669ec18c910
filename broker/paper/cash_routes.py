"""The routes under /cashBalance: money of an account now, realised and open."""

from decimal import Decimal

from aiohttp import web

from broker.paper.forms import Form
from broker.paper.rows import CashBalance
from broker.paper.web import ACCOUNTS, CLOCK, EXCHANGE, query_id, read_body, reply
from broker.paper.wire import encode

routes = web.RouteTableDef()


@routes.route("*", "/v1/cashBalance/list")
async def list_balances(request: web.Request) -> web.Response:
    """List the cash of every account."""
    return reply([encode(_cash(request, account.id)) for account in request.app[ACCOUNTS]])


@routes.route("*", "/v1/cashBalance/deps")
async def list_balances_of_account(request: web.Request) -> web.Response:
    """List the cash of one account."""
    account = request.app[ACCOUNTS].get(query_id(request, "masterid"))
    return reply([encode(_cash(request, account.id))] if account else [])


@routes.post("/v1/cashBalance/getcashbalancesnapshot")
async def show_snapshot(request: web.Request) -> web.Response:
    """Add up an account: cash, what today and this week realised, what closing everything now would bring."""
    form = Form(await read_body(request))
    account_id = form.need_positive("accountId")
    form.check()
    if request.app[ACCOUNTS].get(account_id) is None:
        return reply({"errorText": "Access is denied"})
    cash, open_profit = _cash(request, account_id), _open_profit(request, account_id)
    return reply(
        {
            "totalCashValue": float(cash.amount),
            "totalPnL": float(open_profit + cash.realized_pnl),
            "netLiq": float(cash.amount + open_profit),
            "openPnL": float(open_profit),
            "realizedPnL": float(cash.realized_pnl),
            "weekRealizedPnL": float(cash.week_realized_pnl),
        }
    )


def _cash(request: web.Request, account_id: int) -> CashBalance:
    return request.app[EXCHANGE].book.positions.cash(account_id, request.app[CLOCK]())


def _open_profit(request: web.Request, account_id: int) -> Decimal:
    book = request.app[EXCHANGE].book
    return sum(
        (
            book.positions.open_profit(
                position,
                book.prices.last(position.contract_id),
                book.catalog.terms(position.contract_id).point_value,
            )
            for position in book.tables.positions.of(account_id)
            if position.net_pos
        ),
        Decimal(0),
    )
