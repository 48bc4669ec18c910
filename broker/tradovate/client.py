"""The port, spoken to Tradovate's REST interface (official OpenAPI document of December 2025)."""

import time
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Event
from typing import Self

import httpx

from broker.base import BrokerContract, BrokerRefused, Change, Connected
from broker.logins import LoginStore, Share
from broker.money import ContractCosts
from broker.tradovate import views
from broker.tradovate.auth import Session
from broker.tradovate.clocks import ahead_s
from broker.tradovate.contracts import ContractBook
from broker.tradovate.credentials import Credentials
from broker.tradovate.http import Http
from broker.tradovate.looking import Looking
from broker.tradovate.managing import Managing
from broker.tradovate.placing import Placing
from broker.tradovate.reads import CONTRACT_SUGGEST, PRODUCT_SESSION_ITEM
from broker.tradovate.requests import GetProductFeeParams, RollContract
from broker.tradovate.rows.contracts import Contract, ProductFeeParams, ProductSession


class TradovateBroker(Placing, Looking, Managing):
    """One Tradovate login. Threads may share it, and should: it keeps connections, token and contracts.

    `base_url` includes `/v1`. `paper` says that the other end is the paper broker, which is told the price
    an order answers to and is asked as often as one likes. `now` gives aware UTC times. `transport` replaces
    the sockets in tests.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        store: LoginStore,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        paper: bool = False,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._now = now
        self._http = Http(base_url, monotonic=monotonic, transport=transport)
        session = Session(
            self._http, credentials, store, now=now, monotonic=monotonic, sleep=sleep, is_limited=not paper
        )
        super().__init__(session, monotonic, is_paper=paper)
        self._contracts = ContractBook(self, now)
        self._paper_prices = f"{base_url.rstrip('/').removesuffix('/v1')}/paper/prices" if paper else ""
        self._socket_url = base_url.replace("http", "ws", 1).rstrip("/") + "/websocket"

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
        self._session.log_in_again(self.deadline(timeout_s))

    def token_ends_at(self, *, timeout_s: float) -> datetime:
        """Return when the token ends, renewed first if that is soon. GET /auth/renewaccesstoken"""
        return self._session.token(self.deadline(timeout_s)).expires_at

    def front_contract(self, root: str, *, timeout_s: float) -> BrokerContract:
        """Return the front month as of at most ten minutes ago.

        GET /product/find, /contractMaturity/deps, /contract/deps
        """
        return self._contracts.front(root, self.deadline(timeout_s))

    def contract_by_name(self, name: str, *, timeout_s: float) -> BrokerContract:
        """Return the contract of a name. GET /contract/find, /contractMaturity/item, /product/item"""
        return self._contracts.named(name, self.deadline(timeout_s))

    def contract_by_id(self, contract_id: int, *, timeout_s: float) -> BrokerContract:
        """Return the contract of an id. GET /contract/item, /contractMaturity/item, /product/item"""
        return self._contracts.numbered(contract_id, self.deadline(timeout_s))

    def next_contract(self, name: str, *, timeout_s: float) -> BrokerContract:
        """Return the contract to roll to from a name; nothing is traded. POST /contract/rollcontract"""
        deadline = self.deadline(timeout_s)
        reply = self.send(RollContract(name=name, forward=True), deadline=deadline)
        return self._contracts.complete(reply.contract, deadline)

    def suggest(self, text: str, *, limit: int = 10, timeout_s: float) -> Sequence[Contract]:
        """Return contracts whose names match a text. GET /contract/suggest"""
        return self.many(CONTRACT_SUGGEST, text, limit, deadline=self.deadline(timeout_s))

    def fees(self, root: str, *, timeout_s: float) -> ProductFeeParams:
        """Return fees and margins of a root. GET /product/find, POST /contract/getproductfeeparams"""
        deadline = self.deadline(timeout_s)
        product = self._contracts.product(root, deadline)
        reply = self.send(GetProductFeeParams(product_ids=(product.id,)), deadline=deadline)
        for params in reply.params:
            if params.product_id == product.id:
                return params
        raise BrokerRefused("", f"no fees of {root}")

    def costs(self, root: str, *, timeout_s: float) -> ContractCosts:
        """Return what one contract of a root costs. GET /product/find, POST /contract/getproductfeeparams"""
        params = self.fees(root, timeout_s=timeout_s)
        margin = params.full_margin.initial_margin if params.full_margin else None
        return ContractCosts(views.total_fee(params), margin)

    def product_session(self, root: str, *, timeout_s: float) -> ProductSession:
        """Return the trading day of a root. GET /product/find, /productSession/item"""
        deadline = self.deadline(timeout_s)
        product = self._contracts.product(root, deadline)
        return self.one(PRODUCT_SESSION_ITEM, product.id, deadline=deadline)

    def move_paper_price(self, root: str, price: Decimal, *, timeout_s: float) -> None:
        """Let the paper market of a root move to a price; nothing is asked of any other broker.

        POST /paper/prices, beside /v1
        """
        if self._paper_prices:
            body = {"root": root, "price": str(price)}
            self._session.command(self._paper_prices, body, deadline=self.deadline(timeout_s))

    def changes(self, stop: Event) -> Iterator[Connected | Change | None]:
        """Yield what changes, by user sync. WebSocket: authorize, user/syncrequest"""
        # Only the follower needs it, and it takes as long to import as a tenth of a cold start.
        from broker.tradovate.stream import UserStream  # noqa: PLC0415

        return UserStream(self._socket_url, self._session, monotonic=self._monotonic).changes(stop)

    def for_orders(self) -> Self:
        """Return this client for what an order hangs on, which comes first when requests run short."""
        return self._with_share(Share.ORDER)

    def for_refresh(self) -> Self:
        """Return this client for questions that come last when the login's requests run short."""
        return self._with_share(Share.REFRESH)

    def _with_share(self, share: Share) -> Self:
        view = copy(self)
        view.share = share
        view._contracts = self._contracts.asked_by(view)
        return view

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
