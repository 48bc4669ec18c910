"""The commands under /order: placeorder, cancelorder, liquidateposition."""

from aiohttp import web
from aiohttp.typedefs import Handler

from broker.paper.book import NewOrder, Origin
from broker.paper.forms import LARGEST_I32, Form, FormError
from broker.paper.prices import parse_price
from broker.paper.rows import Account, Action, Contract
from broker.paper.web import ACCOUNTS, CLOCK, EXCHANGE, USER, read_body, reply, session_of
from broker.paper.wire import Json

LARGEST_ORDER = 100
PRICE_HEADER = "X-Paper-Price"
ORDER_TYPES = frozenset(
    {
        "Limit",
        "LimitIfTouched",
        "MIT",
        "Market",
        "QTS",
        "Stop",
        "StopLimit",
        "TrailingStop",
        "TrailingStopLimit",
    }
)
TIMES_IN_FORCE = frozenset({"Day", "FOK", "GTC", "GTD", "IOC"})

routes = web.RouteTableDef()


class RefusedError(Exception):
    """The broker answers no at once: nothing was done and no row was made."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason, text)
        self.reply: Json = {"failureReason": reason, "failureText": text}


@routes.post("/v1/order/placeorder")
async def place_order(request: web.Request) -> web.Response:
    """Take a market order in. The answer is `{"orderId": …}` or the reason why not."""
    new, origin = _read_order(request, Form(await read_body(request)))
    price = parse_price(request.headers.get(PRICE_HEADER))
    return reply({"orderId": await request.app[EXCHANGE].place(new, origin, price)})


@routes.post("/v1/order/cancelorder")
async def cancel_order(request: web.Request) -> web.Response:
    """Cancel a living order."""
    form = Form(await read_body(request))
    order_id = form.need_positive("orderId")
    origin = _origin(request, form)
    form.check()
    exchange = request.app[EXCHANGE]
    if exchange.book.tables.orders.get(order_id) is None:
        raise web.HTTPNotFound(text="Entity not found")
    command_id = await exchange.cancel(order_id, origin)
    if command_id is None:
        raise RefusedError("TooLate", "The order is already over.")
    return reply({"commandId": command_id})


@routes.post("/v1/order/liquidateposition")
async def liquidate_position(request: web.Request) -> web.Response:
    """Cancel what works in an account's contract, then close its position at market."""
    form = Form(await read_body(request))
    account_id, contract_id = form.need_positive("accountId"), form.need_positive("contractId")
    admin = form.need_flag("admin")
    origin = _origin(request, form)
    form.check()
    account = _account(request, account_id, None)
    exchange = request.app[EXCHANGE]
    if exchange.book.catalog.contracts.get(contract_id) is None:
        raise RefusedError("InvalidContract", "Unknown contract.")
    order_id = await exchange.liquidate(account.id, contract_id, origin, admin=admin)
    if order_id is None:
        raise RefusedError("UnknownReason", "There is no position to liquidate.")
    return reply({"orderId": order_id})


@web.middleware
async def answer_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals into their 200s."""
    try:
        return await handler(request)
    except RefusedError as refused:
        return reply(refused.reply)
    except FormError as invalid:
        return reply({"violations": invalid.violations})


def _read_order(request: web.Request, form: Form) -> tuple[NewOrder, Origin]:
    """Return a PlaceOrder body that passed every check made at once. Raises FormError, RefusedError."""
    account_id, account_name = form.positive("accountId"), form.text("accountSpec")
    symbol = form.need_text("symbol")
    action = form.need_text("action", tuple(Action))
    quantity = form.need_positive("orderQty", LARGEST_I32)
    order_type = form.need_text("orderType", ORDER_TYPES)
    time_in_force, text = form.text("timeInForce", TIMES_IN_FORCE), form.text("text")
    origin = _origin(request, form)
    if account_id is None and account_name is None:
        form.refuse("accountId", "NotNull", "or accountSpec is required")
    form.check()
    account = _account(request, account_id, account_name)
    contract = _contract(request, symbol)
    if order_type != "Market":
        raise RefusedError("Unsupported", f"{order_type} orders are not supported")
    if quantity > LARGEST_ORDER:
        raise RefusedError("MaxOrderQtyLimitReached", "Your maximum order quantity has been met.")
    return NewOrder(account.id, contract.id, Action(action), quantity, time_in_force, text), origin


def _origin(request: web.Request, form: Form) -> Origin:
    session = session_of(request)
    return Origin(session.user.id, session.id, form.flag("isAutomated") or False, form.text("clOrdId"))


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
