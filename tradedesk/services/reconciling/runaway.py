from collections.abc import Collection
from datetime import timedelta

from django.db import transaction

from tradedesk.models import Account, Incident, IncidentKind, Order
from tradedesk.services.desk import READ_TIMEOUT_S, Desk, Link
from tradedesk.services.halting import trips
from tradedesk.services.order_path.orders import ID_PREFIX

# An order is written down before it is sent; history that is deleted is a week old at least.
LOOK_BACK = timedelta(hours=24)


def watch(desk: Desk, link: Link, account: Account) -> None:
    """Halt an account where the broker lists an order with an id of our form that the desk never wrote.

    Another desk trades the account, or this one has lost its books. Each such order is told once. Raises
    BrokerError.
    """
    since = max(account.created_at, desk.now() - LOOK_BACK)
    listed = link.broker.named_orders(link.account.id, timeout_s=READ_TIMEOUT_S)
    ours = {
        order.client_order_id: order.id
        for order in listed
        if order.client_order_id.startswith(ID_PREFIX) and order.placed_at >= since
    }
    unknown = sorted(ours.keys() - _known(ours.keys()))
    if not unknown:
        return
    with transaction.atomic():
        for name in unknown:
            seen = {"broker order": ours[name]}
            trips.halt_account(IncidentKind.RUNAWAY_ORDER, account, name, seen, desk.now())


def _known(names: Collection[str]) -> set[str]:
    """Return those that the desk wrote down, as an order or as an incident before."""
    orders = Order.objects.filter(client_order_id__in=names).values_list("client_order_id", flat=True)
    told = Incident.objects.filter(kind=IncidentKind.RUNAWAY_ORDER, subject__in=names)
    return {*orders, *told.values_list("subject", flat=True)}
