import json
from dataclasses import dataclass
from typing import Any

from django.test import Client

from tests.builders import TOKEN, at, make_message
from tests.fakes import FakeClock

PATH = "/webhooks/tradingview/"


@dataclass(frozen=True)
class Answer:
    """What the webhook said: the HTTP status and the JSON."""

    http: int
    body: dict[str, Any]

    @property
    def decision(self) -> dict[str, Any]:
        """Return the one decision of an alert that drives one bot."""
        (decision,) = self.body["decisions"]
        assert isinstance(decision, dict)
        return decision


def post(body: object = None, *, path: str = f"{PATH}{TOKEN}/", **environ: Any) -> Answer:
    """Post a body to the webhook: bytes as they are, everything else as JSON, the usual alert if none."""
    raw = body if isinstance(body, bytes) else json.dumps(make_message() if body is None else body).encode()
    response = Client().post(path, raw, content_type="text/plain; charset=utf-8", **environ)
    return Answer(response.status_code, json.loads(response.content))


@dataclass(frozen=True)
class Teller:
    """Posts events of the chart: moves the clock to their firing time first, unless that is past."""

    clock: FakeClock
    token: str = TOKEN

    def __call__(self, action: str, minute: float = 0, **market: Any) -> Answer:
        fired_at = at(minute)
        self.clock.advance(max(0.0, (fired_at - self.clock.now()).total_seconds()))
        return post(make_message(action, fired_at=fired_at, **market), path=f"{PATH}{self.token}/")
