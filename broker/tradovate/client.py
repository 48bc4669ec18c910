"""The port, spoken to Tradovate's REST interface (official OpenAPI document of December 2025)."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx

from broker.base import (
    BrokerAccount,
    BrokerContract,
    BrokerFill,
    BrokerOrderStatus,
    BrokerPosition,
    BrokerRefused,
    Cash,
    MarketOrder,
    OrderReport,
    WorkingOrder,
)
from broker.logins import TokenStore
from broker.tradovate import parse
from broker.tradovate.auth import Credentials, Session
from broker.tradovate.clocks import ahead_s
from broker.tradovate.contracts import ContractBook
from broker.tradovate.http import Http, TokenRefused


class TradovateBroker:
    """One Tradovate login. Threads may share it, and should: it keeps connections, token and contracts.

    `base_url` includes `/v1`. `paper` says that the other end is the paper broker, which is told the price
    an order answers to. `now` gives aware UTC times. `transport` replaces the sockets in tests.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        tokens: TokenStore,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        paper: bool = False,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._now = now
        self._is_paper = paper
        self._http = Http(base_url, monotonic=monotonic, transport=transport)
        self._session = Session(self._http, credentials, tokens, now=now)
        self._contracts = ContractBook(self._read, now)

    @property
    def clock_offset_s(self) -> float | None:
        """Seconds that the broker's clock is ahead of ours, by the last answer; None before the first."""
        if self._http.dated is None:
            return None
        date, received = self._http.dated
        here = self._now() - timedelta(seconds=self._monotonic() - received)
        return ahead_s(date, here)

    def log_in_again(self, *, timeout_s: float) -> None:
        """Take a token of a new session. POST /auth/accesstokenrequest"""
        self._session.log_in_again(self._deadline(timeout_s))

    def accounts(self, *, timeout_s: float) -> Sequence[BrokerAccount]:
        """Return the accounts that this login sees. GET /account/list"""
        return parse.rows(self._read("/account/list", self._deadline(timeout_s)), parse.account)

    def front_contract(self, root: str, *, timeout_s: float) -> BrokerContract:
        """Return the front month as of at most ten minutes ago.

        GET /product/find, /contractMaturity/deps, /contract/deps
        """
        return self._contracts.front(root, self._deadline(timeout_s))

    def contract_by_name(self, name: str, *, timeout_s: float) -> BrokerContract:
        """Return the contract of a name. GET /contract/find, /contractMaturity/item, /product/item"""
        return self._contracts.named(name, self._deadline(timeout_s))

    def contract_by_id(self, contract_id: int, *, timeout_s: float) -> BrokerContract:
        """Return the contract of an id. GET /contract/item, /contractMaturity/item, /product/item"""
        return self._contracts.numbered(contract_id, self._deadline(timeout_s))

    def positions(self, account_id: int, *, timeout_s: float) -> Sequence[BrokerPosition]:
        """Return the account's rows, flat ones included. GET /position/deps"""
        data = self._read(f"/position/deps?masterid={account_id}", self._deadline(timeout_s))
        return [row for row in parse.rows(data, parse.position) if row.account_id == account_id]

    def cash(self, account_id: int, *, timeout_s: float) -> Cash:
        """Return the account's money. POST /cashBalance/getcashbalancesnapshot"""
        path, body = "/cashBalance/getcashbalancesnapshot", {"accountId": account_id}
        return parse.cash(self._session.command(path, body, deadline=self._deadline(timeout_s)))

    def submit(self, order: MarketOrder, *, timeout_s: float, ticket: str = "") -> int:
        """Send a market order once and return its id: received, not accepted. POST /order/placeorder

        Only a 401, which proves that nothing was carried out, makes it go out a second time. `ticket` is
        that of the `BrokerThrottled` which the same order met before.
        """
        body: dict[str, object] = {
            # Both: accounts held through a permission are refused without the name.
            "accountId": order.account_id,
            "accountSpec": order.account_name,
            "action": parse.ACTIONS[order.side],
            "symbol": order.contract,
            "orderQty": order.quantity,
            "orderType": "Market",
            "timeInForce": "Day",
            "isAutomated": True,
            "clOrdId": order.client_order_id,
            "text": order.client_order_id,
        }
        if ticket:
            body["p-ticket"] = ticket
        headers = {}
        if self._is_paper and order.reference_price is not None:
            headers["X-Paper-Price"] = str(order.reference_price)
        deadline = self._deadline(timeout_s)
        reply = self._session.command("/order/placeorder", body, deadline=deadline, headers=headers)
        return parse.order_id(reply)

    def fills(self, order_id: int, *, timeout_s: float) -> Sequence[BrokerFill]:
        """Return the standing fills of one order, oldest first. GET /fill/deps"""
        return parse.fills(self._read(f"/fill/deps?masterid={order_id}", self._deadline(timeout_s)))

    def order_report(self, order_id: int, *, timeout_s: float) -> OrderReport:
        """Return status, fills and reason. GET /order/item, /fill/deps and, if rejected, /commandReport/deps

        A partly filled order is still WORKING. The fills of a FILLED one may show up after its status.
        """
        deadline = self._deadline(timeout_s)
        order = parse.order(self._read(f"/order/item?id={order_id}", deadline))
        fills = parse.fills(self._read(f"/fill/deps?masterid={order_id}", deadline))
        reason = ""
        if order.status is BrokerOrderStatus.REJECTED:
            # The command that made an order has the order's id.
            reason = parse.reject_reason(self._read(f"/commandReport/deps?masterid={order_id}", deadline))
        return OrderReport(order_id, order.status, fills, reason)

    def find_order(self, account_id: int, client_order_id: str, *, timeout_s: float) -> int | None:
        """Return the id of the account's order with our id.

        GET /command/list, /orderVersion/list, /order/item

        None is no proof that there is no such order: a stalled request may still land, and lists are capped.
        """
        deadline = self._deadline(timeout_s)
        for path, label in (("/command/list", "clOrdId"), ("/orderVersion/list", "text")):
            labelled = parse.rows(self._read(path, deadline), partial(_labelled, label=label))
            for order_id in sorted({order_id for order_id, text in labelled if text == client_order_id}):
                order = parse.order(self._read(f"/order/item?id={order_id}", deadline))
                if order.account_id == account_id:
                    return order_id
        return None

    def working_orders(self, account_id: int, *, timeout_s: float) -> Sequence[WorkingOrder]:
        """Return the orders that are not over, those of unknown status included. GET /order/deps"""
        data = self._read(f"/order/deps?masterid={account_id}", self._deadline(timeout_s))
        orders = parse.rows(data, parse.order)
        return [
            parse.working_order(order)
            for order in orders
            if order.account_id == account_id and not order.is_over
        ]

    def cancel(self, order_id: int, *, timeout_s: float) -> None:
        """Ask for an order to be cancelled. POST /order/cancelorder

        For an order that is over, Tradovate has answered both a refusal and 401: either is `BrokerRefused`.
        """
        body = {"orderId": order_id, "isAutomated": True}
        try:
            self._session.command("/order/cancelorder", body, deadline=self._deadline(timeout_s))
        except TokenRefused as error:
            raise BrokerRefused("HTTP 401", str(error)) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _deadline(self, timeout_s: float) -> float:
        return self._monotonic() + timeout_s

    def _read(self, path: str, deadline: float) -> Any:
        return self._session.read(path, deadline=deadline)


def _labelled(row: parse.Row, label: str) -> tuple[int, str]:
    return parse.order_id(row), parse.text(row, label)
