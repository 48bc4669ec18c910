"""Commands about contracts that change nothing: the next month, and what a product costs."""

from aiohttp import web

from broker.paper.market.costs import COSTS, fill_fee
from broker.paper.records.catalog_rows import Contract
from broker.paper.records.wire import Json, encode, iso
from broker.paper.rest.forms import Form
from broker.paper.rest.web import CLOCK, EXCHANGE, read_body, reply

MOST_PRODUCTS = 100

routes = web.RouteTableDef()


@routes.route("*", "/v1/contract/rollcontract")
async def roll_contract(request: web.Request) -> web.Response:
    """Name the next month of a contract, or the one before; with `ifExpired` only if it has expired."""
    form = Form(await read_body(request))
    name, forward = form.need_text("name"), form.need_flag("forward")
    only_expired = form.flag("ifExpired") or False
    form.check()
    catalog = request.app[EXCHANGE].book.catalog
    contract = catalog.contracts.named(name)
    if contract is None:
        return reply({"errorText": f"Unknown contract {name}"})
    rolled: Contract | None = contract
    if not only_expired or catalog.is_expired(contract, request.app[CLOCK]()):
        rolled = catalog.next_month(contract, 1 if forward else -1)
    return reply({"contract": encode(rolled)} if rolled else {"errorText": "There is no such month"})


@routes.route("*", "/v1/contract/getproductfeeparams")
async def show_fee_params(request: web.Request) -> web.Response:
    """List fees per contract and side, and margins, of some products; unknown ones are left out."""
    form = Form(await read_body(request))
    product_ids = form.ids("productIds", MOST_PRODUCTS)
    form.check()
    products = request.app[EXCHANGE].book.catalog.products
    now = iso(request.app[CLOCK]())
    found = [product for product_id in product_ids if (product := products.get(product_id))]
    return reply({"params": [_params(product.id, product.name, now) for product in found]})


def _params(product_id: int, root: str, now: str) -> Json:
    each = COSTS[root]
    fees = encode(fill_fee(product_id, root, 1))
    del fees["id"]
    return fees | {
        "productId": product_id,
        "dayMargin": float(each.day_margin),
        "nightMargin": float(each.initial_margin),
        "fullMargin": {
            "id": product_id,
            "initialMargin": float(each.initial_margin),
            "maintenanceMargin": float(each.maintenance_margin),
            "timestamp": now,
        },
    }
