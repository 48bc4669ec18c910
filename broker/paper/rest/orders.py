"""The commands under /order: place (alone, with brackets, as a pair), modify, cancel, liquidate."""

from aiohttp import web
from aiohttp.typedefs import Handler

from broker.paper.engine import terms
from broker.paper.engine.fates import Fate
from broker.paper.engine.requests import Leg, NewOrder, Origin, RefusedError
from broker.paper.market.prices import parse_price
from broker.paper.records.catalog_rows import Contract
from broker.paper.records.rows import Account, Action
from broker.paper.rest import order_forms
from broker.paper.rest.forms import LARGEST_I32, Form, FormError
from broker.paper.rest.order_forms import Asked, checked_leg
from broker.paper.rest.web import ACCOUNTS, CLOCK, EXCHANGE, USER, read_body, reply, session_of

MOST_POSITIONS = 100
PRICE_HEADER = "X-Paper-Price"

routes = web.RouteTableDef()


@routes.route("*", "/v1/order/placeorder")
async def place_order(request: web.Request) -> web.Response:
    """Take one order in. The answer is `{"orderId": …}` or the reason why not."""
    return reply({"orderId": await _place(request, Form(await read_body(request)))})


@routes.route("*", "/v1/order/placeoso")
async def place_oso(request: web.Request) -> web.Response:
    """Take an order in with one or two brackets that work once it fills. Ids follow one another."""
    form = Form(await read_body(request))
    parts = [form.need_part("bracket1")]
    parts += [part] if (part := form.part("bracket2")) else []
    order_id = await _place(request, form, brackets=parts)
    return reply({"orderId": order_id} | {f"oso{n}Id": order_id + n for n in range(1, len(parts) + 1)})


@routes.route("*", "/v1/order/placeoco")
async def place_oco(request: web.Request) -> web.Response:
    """Take two orders in of which one fills. The other has the id that follows."""
    form = Form(await read_body(request))
    order_id = await _place(request, form, other=form.need_part("other"))
    return reply({"orderId": order_id, "ocoId": order_id + 1})


@routes.route("*", "/v1/order/modifyorder")
async def modify_order(request: web.Request) -> web.Response:
    """Take new terms in for a living order. Whether they come in force, its command tells."""
    form = Form(await read_body(request))
    order_id, quantity = form.need_positive("orderId"), form.need_positive("orderQty", LARGEST_I32)
    asked, origin = order_forms.read_terms(form, quantity), _origin(request, form)
    form.check()
    _need_order(request, order_id)
    command_id = await request.app[EXCHANGE].modify(order_id, order_forms.supported(asked), origin)
    return reply({"commandId": command_id})


@routes.route("*", "/v1/order/cancelorder")
async def cancel_order(request: web.Request) -> web.Response:
    """Cancel a living order."""
    form = Form(await read_body(request))
    order_id, origin = form.need_positive("orderId"), _origin(request, form)
    form.check()
    _need_order(request, order_id)
    return reply({"commandId": await request.app[EXCHANGE].cancel(order_id, origin)})


@routes.route("*", "/v1/order/liquidateposition")
async def liquidate_position(request: web.Request) -> web.Response:
    """Cancel what works in an account's contract, then close its position at market."""
    form = Form(await read_body(request))
    account_id, contract_id = form.need_positive("accountId"), form.need_positive("contractId")
    admin, origin = form.need_flag("admin"), _origin(request, form)
    form.check()
    _refuse_tag(form)
    account, exchange = _account(request, account_id, None), request.app[EXCHANGE]
    if exchange.book.catalog.contracts.get(contract_id) is None:
        raise RefusedError("InvalidContract", "Unknown contract.")
    order_id = await exchange.liquidate(account.id, contract_id, origin, admin=admin)
    if order_id is None:
        raise RefusedError("UnknownReason", "There is no position to liquidate.")
    return reply({"orderId": order_id})


@routes.route("*", "/v1/order/liquidatepositions")
async def liquidate_positions(request: web.Request) -> web.Response:
    """Do the same for several positions by their ids; those that are flat only lose their orders."""
    form = Form(await read_body(request))
    position_ids, admin = form.ids("positions", MOST_POSITIONS), form.need_flag("admin")
    origin = _origin(request, form)
    form.check()
    _refuse_tag(form)
    exchange = request.app[EXCHANGE]
    found = [exchange.book.tables.positions.get(position_id) for position_id in position_ids]
    positions = [position for position in found if position]
    if len(positions) < len(found):
        return reply({"ok": False, "errorText": "Unknown position."})
    for position in positions:
        await exchange.liquidate(position.account_id, position.contract_id, origin, admin=admin)
    return reply({"ok": True})


@web.middleware
async def answer_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals into their 200s."""
    try:
        return await handler(request)
    except RefusedError as refused:
        return reply({"failureReason": refused.refusal.reason, "failureText": refused.refusal.text})
    except FormError as invalid:
        return reply({"violations": invalid.violations})


async def _place(
    request: web.Request, form: Form, brackets: list[Form] | None = None, other: Form | None = None
) -> int:
    """Take in what a body asks for and return the order's id. Raises FormError, RefusedError."""
    account_id, account_name = form.positive("accountId"), form.text("accountSpec")
    symbol, asked, origin = form.need_text("symbol"), Asked(form), _origin(request, form)
    legs = [asked.leg(part) for part in (brackets or ([other] if other else []))]
    tag = form.text("customTag50")
    if account_id is None and account_name is None:
        form.refuse("accountId", "NotNull", "or accountSpec is required")
    form.check()
    account, contract = _account(request, account_id, account_name), _contract(request, symbol)
    exchange, now = request.app[EXCHANGE], request.app[CLOCK]()
    tick = exchange.book.catalog.terms(contract.id).tick
    version = asked.checked_terms(tick, now)
    tied = tuple(checked_leg(leg, tick, now) for leg in legs)
    entry = Leg(Action(asked.action), version)
    refusal = terms.pair_refusal(entry, tied[0]) if other else terms.bracket_refusal(entry.action, tied)
    if refusal:
        raise RefusedError(*refusal)
    new = NewOrder(
        account.id,
        contract.id,
        entry.action,
        version,
        brackets=() if other else tied,
        other=tied[0] if other else None,
    )
    if tag is not None:
        exchange.fates.appendleft(Fate(reject=order_forms.UNREGISTERED_TAG))
    return await exchange.place(new, origin, parse_price(request.headers.get(PRICE_HEADER)))


def _origin(request: web.Request, form: Form) -> Origin:
    session = session_of(request)
    return order_forms.read_origin(session.user.id, session.id, form)


def _need_order(request: web.Request, order_id: int) -> None:
    if request.app[EXCHANGE].book.tables.orders.get(order_id) is None:
        raise web.HTTPNotFound(text="Entity not found")


def _refuse_tag(form: Form) -> None:
    """Answer 404 to an operator id in a liquidation, as has been reported."""
    if form.has("customTag50"):
        raise web.HTTPNotFound(text="Unregisted Tag50")


def _account(request: web.Request, account_id: int | None, name: str | None) -> Account:
    """Return the account that id and name both mean. The user's name may stand for any of its accounts."""
    accounts = request.app[ACCOUNTS]
    account = accounts.named(name or "") if account_id is None else accounts.get(account_id)
    if account is None or name not in (None, account.name, request.app[USER].name):
        raise RefusedError("Unauthorized", "Access is denied")
    return account


def _contract(request: web.Request, symbol: str) -> Contract:
    catalog = request.app[EXCHANGE].book.catalog
    contract = catalog.contracts.named(symbol)
    if contract is None or catalog.is_expired(contract, request.app[CLOCK]()):
        raise RefusedError("InvalidContract", f"{symbol} is unknown or has expired")
    return contract
