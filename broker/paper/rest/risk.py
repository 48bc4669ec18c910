"""Commands that set the limits of accounts: automatic liquidation, position limits, rules for orders."""

from aiohttp import web

from broker.paper.records.risk_rows import (
    UserAccountAutoLiq,
    UserAccountPositionLimit,
    UserAccountRiskParameter,
)
from broker.paper.records.tables import Table, Tables
from broker.paper.records.wire import Row, encode
from broker.paper.rest.accounts import DENIED
from broker.paper.rest.forms import Form
from broker.paper.rest.row_forms import read_row
from broker.paper.rest.web import EXCHANGE, read_body, reply

routes = web.RouteTableDef()


@routes.route("*", "/v1/userAccountAutoLiq/{operation:create|update}")
async def set_auto_liq(request: web.Request) -> web.Response:
    """Set the automatic liquidation of the account that the id names; every account has one."""
    return await _update(request, _tables(request).auto_liqs, UserAccountAutoLiq)


@routes.route("*", "/v1/userAccountAutoLiq/updateuserautoliq")
async def update_user_auto_liq(request: web.Request) -> web.Response:
    """Set the automatic liquidation of the account that `accountId` names."""
    form = Form(await read_body(request))
    account_id = form.need_positive("accountId")
    form.flag("asOwner")
    row, table = read_row(form, UserAccountAutoLiq, account_id), _tables(request).auto_liqs
    form.check()
    if table.get(account_id) is None:
        return reply({"errorText": DENIED})
    return reply({"userAccountAutoLiq": encode(request.app[EXCHANGE].put(table, row))})


@routes.route("*", "/v1/userAccountPositionLimit/create")
async def create_position_limit(request: web.Request) -> web.Response:
    """Add a position limit to an account."""
    tables = _tables(request)
    form = Form(await read_body(request))
    row = read_row(form, UserAccountPositionLimit, tables.new_id())
    form.check()
    _need_owner(tables.risk_statuses, row.account_id)
    return reply(encode(request.app[EXCHANGE].put(tables.position_limits, row)))


@routes.route("*", "/v1/userAccountPositionLimit/update")
async def update_position_limit(request: web.Request) -> web.Response:
    """Replace a position limit."""
    return await _update(request, _tables(request).position_limits, UserAccountPositionLimit)


@routes.route("*", "/v1/userAccountRiskParameter/create")
async def create_risk_parameter(request: web.Request) -> web.Response:
    """Attach rules for single orders to a position limit."""
    tables = _tables(request)
    form = Form(await read_body(request))
    row = read_row(form, UserAccountRiskParameter, tables.new_id())
    form.check()
    _need_owner(tables.position_limits, row.user_account_position_limit_id)
    return reply(encode(request.app[EXCHANGE].put(tables.risk_parameters, row)))


@routes.route("*", "/v1/userAccountRiskParameter/update")
async def update_risk_parameter(request: web.Request) -> web.Response:
    """Replace rules for single orders."""
    return await _update(request, _tables(request).risk_parameters, UserAccountRiskParameter)


async def _update[R: Row](request: web.Request, table: Table[R], row_type: type[R]) -> web.Response:
    form = Form(await read_body(request))
    row_id = form.need_positive("id")
    row = read_row(form, row_type, row_id)
    form.check()
    before = table.get(row_id)
    if before is None:
        raise web.HTTPNotFound(text="Entity not found")
    if table.master_of(before) != table.master_of(row):
        raise web.HTTPForbidden(text=DENIED)
    return reply(encode(request.app[EXCHANGE].put(table, row)))


def _need_owner[R: Row](table: Table[R], row_id: int) -> None:
    if table.get(row_id) is None:
        raise web.HTTPForbidden(text=DENIED)


def _tables(request: web.Request) -> Tables:
    return request.app[EXCHANGE].book.tables
