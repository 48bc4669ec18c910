"""The paper broker in a process of its own, and what it says when asked over HTTP."""

import secrets
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from tests.flows.processes import ROOT, stop

ACCOUNT_IDS = {"PAPER-1": 1_100_001, "PAPER-2": 1_100_002}


class PaperBroker:
    """A running paper broker. `journal` stays when it stops, so that another may go on with it."""

    def __init__(self, journal: Path, *, latency_s: float = 0.0) -> None:
        self.said = journal.with_suffix(".log")
        self.password = secrets.token_hex(12)
        self._arguments = [
            *("--data", str(journal), "--latency", str(latency_s), "--no-sync", "--user", "paper"),
            *("--password", self.password, "--scenarios"),
        ]
        self._start(port=0)

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """Return all rows of a kind such as `order`, `fill` or `command`."""
        rows: list[dict[str, Any]] = self._ask(f"/{kind}/list")
        return rows

    def positions(self) -> dict[tuple[str, str], int]:
        """Return the net positions that are not flat, by account name and contract."""
        names = {number: name for name, number in ACCOUNT_IDS.items()}
        return {
            (names[row["accountId"]], self._ask(f"/contract/item?id={row['contractId']}")["name"]): row[
                "netPos"
            ]
            for row in self.rows("position")
            if row["netPos"]
        }

    def client_order_ids(self) -> list[str]:
        """Return our id of every order that the broker took in, in its order."""
        orders = {row["id"] for row in self.rows("order")}
        return [row["clOrdId"] for row in self.rows("command") if row["id"] in orders]

    def modify(self, order_id: int, **terms: Any) -> None:
        """Give an order of one contract other terms, as a person would in the broker's own program."""
        order = {"orderId": order_id, "orderQty": 1, **terms}
        reply = self._ask("/order/modifyorder", order)
        assert "commandId" in reply, reply

    def place(self, account: str, contract: str, action: str) -> None:
        """Trade one contract as a person would in the broker's own program."""
        order = {"accountId": ACCOUNT_IDS[account], "symbol": contract, "action": action, "orderQty": 1}
        reply = self._ask("/order/placeorder", {**order, "orderType": "Market"})
        assert "orderId" in reply, reply

    def scenario(self, page: str, body: dict[str, Any] | None = None, *, method: str = "POST") -> None:
        """Let something go wrong, or go on."""
        address = f"{self.url.removesuffix('/v1')}/paper/{page}"
        self.client.request(method, address, json=body).raise_for_status()

    def kill(self) -> None:
        """Kill the broker at once, in the middle of what it does."""
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        """Start the broker on its port and its journal again; of scenarios and tokens it knows none."""
        self.stop()
        self._start(port=httpx.URL(self.url).port or 0)

    def stop(self) -> None:
        self.client.close()
        stop(self.process)

    def _start(self, *, port: int) -> None:
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "broker.paper", "--port", str(port), *self._arguments],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        assert self.process.stdout
        self.url = self.process.stdout.readline().split()[-1]
        self.client = httpx.Client(base_url=self.url, trust_env=False)

    @cached_property
    def _authorization(self) -> dict[str, str]:
        login = {"name": "paper", "password": self.password}
        reply = self.client.post("/auth/accesstokenrequest", json=login).json()
        return {"Authorization": f"Bearer {reply['accessToken']}"}

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return what the broker answers to a GET, or to a POST where there is a body."""
        method = "GET" if body is None else "POST"
        reply = self.client.request(method, path, json=body, headers=self._authorization)
        if reply.status_code == 401:
            # The broker keeps two sessions of a login; the desk's processes may have closed ours.
            del self._authorization
            reply = self.client.request(method, path, json=body, headers=self._authorization)
        return reply.raise_for_status().json()
