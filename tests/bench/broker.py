"""A broker that answers at once: the least of Tradovate's protocol that one market order needs, in memory."""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

CONTRACT, PRODUCT, MATURITY = 1001, 11, 21
ACCOUNTS = 8
TIME = "2026-11-25T10:00:00.000Z"
DATE = {"year": 2026, "month": 11, "day": 25}


class Book:
    """Net positions and fills of a few accounts in one contract."""

    def __init__(self) -> None:
        self.requests = 0
        self.orders = 0
        self.positions: defaultdict[int, int] = defaultdict(int)
        self.fills: dict[int, dict[str, Any]] = {}
        self.answers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "/auth/accesstokenrequest": lambda _: {
                "accessToken": "bench",
                "expirationTime": "2099-01-01T00:00:00.000Z",
                "userId": 1,
            },
            "/account/list": lambda _: [account(index) for index in range(1, ACCOUNTS + 1)],
            "/product/find": lambda _: product(),
            "/product/item": lambda _: product(),
            "/contractMaturity/deps": lambda _: [maturity()],
            "/contractMaturity/item": lambda _: maturity(),
            "/contract/deps": lambda _: [contract()],
            "/contract/item": lambda _: contract(),
            "/position/deps": lambda query: [self.position(int(query["masterid"]))],
            "/order/placeorder": self.place,
            "/order/deps": lambda _: [],
            "/command/list": lambda _: [],
            "/paper/prices": lambda _: {"ok": True},
            "/fill/deps": lambda query: [self.fills[int(query["masterid"])]],
            "/bench/requests": lambda _: {"requests": self.requests},
        }

    def position(self, account_id: int) -> dict[str, Any]:
        return {
            "id": account_id,
            "accountId": account_id,
            "contractId": CONTRACT,
            "timestamp": TIME,
            "tradeDate": DATE,
            "netPos": self.positions[account_id],
            "netPrice": 6842.25,
            "bought": 0,
            "boughtValue": 0,
            "sold": 0,
            "soldValue": 0,
            "prevPos": 0,
        }

    def place(self, body: dict[str, Any]) -> dict[str, Any]:
        self.orders += 1
        sign = 1 if body["action"] == "Buy" else -1
        self.positions[body["accountId"]] += sign * body["orderQty"]
        self.fills[self.orders] = {
            "id": self.orders,
            "orderId": self.orders,
            "contractId": CONTRACT,
            "timestamp": TIME,
            "tradeDate": DATE,
            "action": body["action"],
            "qty": body["orderQty"],
            "price": 6842.25,
            "active": True,
            "finallyPaired": 0,
        }
        return {"orderId": self.orders}


def account(index: int) -> dict[str, Any]:
    return {"id": index, "name": f"BENCH-{index}", "userId": 1, "active": True}


def product() -> dict[str, Any]:
    return {"id": PRODUCT, "name": "MES", "valuePerPoint": 5, "tickSize": 0.25}


def maturity() -> dict[str, Any]:
    return {
        "id": MATURITY,
        "productId": PRODUCT,
        "expirationMonth": 202612,
        "expirationDate": "2026-12-18T14:30:00.000Z",
        "isFront": True,
    }


def contract() -> dict[str, Any]:
    return {"id": CONTRACT, "name": "MESZ6", "contractMaturityId": MATURITY}


class Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, one request after another."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        target = urlsplit(head.split(b" ", 2)[1].decode())
        query = {name: values[0] for name, values in parse_qs(target.query).items()}
        body = json.loads(rest[:length]) if length else query
        path = target.path.removeprefix("/v1")
        self.book.requests += path != "/bench/requests"
        answer = json.dumps(self.book.answers[path](body)).encode()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(answer), answer)
        )


async def serve(port: int) -> None:
    book = Book()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(book), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
