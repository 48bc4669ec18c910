"""Everything that changes orders. A command goes out once: whoever gets no reply looks the order up.

Only a 401, which proves that nothing was carried out, makes it go out a second time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from broker.base import BrokerError, BrokerRefused, OrderRequest
from broker.orders import CommandOutcome, Leg, PlacedBracket
from broker.terms import Terms
from broker.tradovate import forms, joins
from broker.tradovate.auth import Session
from broker.tradovate.calls import Calls
from broker.tradovate.http import TokenRefused
from broker.tradovate.reads import COMMAND_ITEM, COMMAND_LIST, COMMAND_REPORT_DEPS, ORDER_DEPS, POSITION_DEPS
from broker.tradovate.requests import CancelOrder, LiquidatePosition, LiquidatePositions, Request
from broker.tradovate.words import CommandType


class Placing(Calls):
    """Places, changes and ends orders. `is_paper`: the other end hears which price an order answers to."""

    def __init__(self, session: Session, monotonic: Callable[[], float], *, is_paper: bool) -> None:
        super().__init__(session, monotonic)
        self._is_paper = is_paper

    def submit(self, order: OrderRequest, *, timeout_s: float) -> int:
        """Send an order once and return its id: received, not accepted. POST /order/placeorder

        After a `BrokerThrottled` the same order may be submitted again once the wait is over.
        """
        return self._place(forms.place_order(order), order, self.deadline(timeout_s)).order_id

    def submit_bracket(self, entry: OrderRequest, legs: Sequence[Leg], *, timeout_s: float) -> PlacedBracket:
        """Send an entry with one leg or two, which wait for its fill. POST /order/placeoso

        Of two legs, the fill of one cancels the other. Where the reply leaves their ids out, they are read
        from /command/list or /order/deps in what is left of the time; an entry that is placed stays placed.
        """
        request = forms.place_oso(entry, legs)
        deadline = self.deadline(timeout_s)
        reply = self._place(request, entry, deadline)
        leg_ids = tuple(id_ for id_ in (reply.oso1_id, reply.oso2_id) if id_ is not None)
        if len(leg_ids) != len(legs):
            leg_ids = self._find_legs(entry.account_id, reply.order_id, legs, deadline)
        return PlacedBracket(reply.order_id, leg_ids)

    def submit_pair(self, order: OrderRequest, other: Leg, *, timeout_s: float) -> tuple[int, int]:
        """Send two orders of one size, the fill of one cancelling the other; return their ids.

        POST /order/placeoco
        """
        request = forms.place_oco(order, other)
        reply = self._place(request, order, self.deadline(timeout_s))
        return reply.order_id, reply.oco_id

    def modify(
        self, order_id: int, quantity: int, terms: Terms, client_order_id: str, *, timeout_s: float
    ) -> int:
        """Ask for other terms and return the id of the command: received, not done. POST /order/modifyorder

        The terms replace the old ones whole; `quantity` is the new total, with what has filled. An order that
        is over raises BrokerRefused. `command_outcome` tells what became of it.
        """
        request = forms.modify_order(order_id, quantity, terms, client_order_id)
        with _refused_by_401():
            deadline = self.deadline(timeout_s)
            return self.send(request, deadline=deadline, key=client_order_id).command_id

    def cancel(self, order_id: int, *, timeout_s: float) -> int:
        """Ask for an order to be cancelled and return the id of the command. POST /order/cancelorder

        It goes again when there was no reply. For an order that is over, by an earlier try perhaps, Tradovate
        has answered both a refusal and 401: either is `BrokerRefused`.
        """
        request, deadline = CancelOrder(order_id=order_id), self.deadline(timeout_s)
        with _refused_by_401():
            return self.send(request, deadline=deadline, key=str(order_id), idempotent=True).command_id

    def command_outcome(self, command_id: int, *, timeout_s: float) -> CommandOutcome:
        """Return what became of a modification or cancellation. GET /command/item, /commandReport/deps"""
        deadline = self.deadline(timeout_s)
        command = self.one(COMMAND_ITEM, command_id, deadline=deadline)
        reports = self.many(COMMAND_REPORT_DEPS, command_id, deadline=deadline)
        return joins.command_outcome(command, reports)

    def liquidate(self, account_id: int, contract_id: int, *, timeout_s: float) -> int:
        """Ask for a contract's orders to be cancelled and its position closed; return the closing order's id.

        GET /position/deps, POST /order/liquidateposition

        It is no guarantee: read orders and positions afterwards. What the broker does on a flat position is
        not documented, so that one raises BrokerRefused here and nothing is sent.
        """
        deadline = self.deadline(timeout_s)
        rows = self.many(POSITION_DEPS, account_id, deadline=deadline)
        if not any(
            row.net_pos for row in rows if (row.account_id, row.contract_id) == (account_id, contract_id)
        ):
            raise BrokerRefused("", "the position is flat")
        request = LiquidatePosition(account_id=account_id, contract_id=contract_id)
        return self.send(request, deadline=deadline, key=f"{account_id} {contract_id}").order_id

    def liquidate_positions(self, position_ids: Sequence[int], *, timeout_s: float) -> None:
        """Ask as `liquidate` does for up to 100 positions by their ids. POST /order/liquidatepositions"""
        request, key = LiquidatePositions(positions=tuple(position_ids)), ",".join(map(str, position_ids))
        self.send(request, deadline=self.deadline(timeout_s), key=key)

    def _place[R](self, request: Request[R], order: OrderRequest, deadline: float) -> R:
        headers = self._headers(order)
        return self.send(request, deadline=deadline, headers=headers, key=order.client_order_id)

    def _headers(self, order: OrderRequest) -> Mapping[str, str]:
        if self._is_paper and order.reference_price is not None:
            return {"X-Paper-Price": str(order.reference_price)}
        return {}

    def _find_legs(
        self, account_id: int, entry_id: int, legs: Sequence[Leg], deadline: float
    ) -> tuple[int, ...]:
        try:
            return self._labelled(legs, deadline) or self._children(account_id, entry_id, len(legs), deadline)
        except BrokerError:
            # The entry is placed: whatever goes wrong now must not look as if it were not.
            return ()

    def _labelled(self, legs: Sequence[Leg], deadline: float) -> tuple[int, ...]:
        """Return the orders that carry the legs' own ids, nothing unless all of them are listed."""
        made = {
            command.cl_ord_id: command.order_id
            for command in self.many(COMMAND_LIST, deadline=deadline)
            if command.command_type is CommandType.NEW
        }
        ids = tuple(made[leg.client_order_id] for leg in legs if leg.client_order_id in made)
        return ids if len(ids) == len(legs) else ()

    def _children(self, account_id: int, entry_id: int, count: int, deadline: float) -> tuple[int, ...]:
        """Return the orders that name the entry, whose ids follow each other as the legs do."""
        orders = self.many(ORDER_DEPS, account_id, deadline=deadline)
        ids = tuple(sorted(order.id for order in orders if order.parent_id == entry_id))
        return ids if len(ids) == count else ()


@contextmanager
def _refused_by_401() -> Iterator[None]:
    """Raise a 401 that outlived a fresh token as the refusal that it is for an order that is over."""
    try:
        yield
    except TokenRefused as error:
        raise BrokerRefused("HTTP 401", str(error)) from error
