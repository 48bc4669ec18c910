"""What is asked of the book: new orders, where a command comes from, and why something is refused."""

from dataclasses import dataclass
from typing import NamedTuple

from broker.paper.records.rows import Action, OrderVersion


@dataclass(frozen=True, slots=True)
class Origin:
    """What a command says about where it comes from."""

    user_id: int
    session_id: int | None
    is_automated: bool = False
    cl_ord_id: str | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """An order tied to another one."""

    action: Action
    terms: OrderVersion
    cl_ord_id: str | None = None


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order that passed the checks made at once. It has brackets or an order beside it, never both."""

    account_id: int
    contract_id: int
    action: Action
    terms: OrderVersion
    admin: bool = False
    brackets: tuple[Leg, ...] = ()
    other: Leg | None = None


class Refusal(NamedTuple):
    """Why something is not done: one of Tradovate's reasons and a sentence."""

    reason: str
    text: str


class RefusedError(Exception):
    """The broker answers no at once: nothing was done and no row was made."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason, text)
        self.refusal = Refusal(reason, text)
