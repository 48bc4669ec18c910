from dataclasses import dataclass, field
from decimal import Decimal

type Figure = int | float | Decimal


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure and what it must stay below. `most` None: the limit is off. `found` None: not readable."""

    most: Figure | None = None
    found: Figure | None = None

    @property
    def is_off(self) -> bool:
        return self.most is None

    @property
    def has_room(self) -> bool | None:
        """Tell whether the figure is below the limit; None where it could not be read."""
        if self.most is None:
            return True
        return None if self.found is None else self.found < self.most


OFF = Limit()


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of its limits a bot, or all bots of an account, have used up before this order.

    Orders count from the moment they may have left. Trades are round trips closed in this session, `losers`
    the losing ones in a row at its end. `loss` is dollars lost in this session, zero after a gain.
    """

    minute: Limit = OFF
    day: Limit = OFF
    session: Limit = OFF
    trades: Limit = OFF
    losers: Limit = OFF
    loss: Limit = OFF


@dataclass(frozen=True, slots=True)
class Exposure:
    """What else the account holds, orders that may still fill reckoned in. A cap of None is off.

    `elsewhere` is contracts of all other roots, each without its sign. `in_group` is the least and the
    most that the other roots of this root's group come to, signed, in micros; one contract of this root is
    `weight` of them.
    """

    account_cap: int | None = None
    elsewhere: int | None = None
    group_cap: int | None = None
    in_group: tuple[int, int] | None = None
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Margin:
    """The account's margin in dollars: net liquidation value, initial margin in use, and per contract.

    Available must be at least `factor` times the initial margin of the new position; None switches it off.
    """

    factor: Decimal | None = None
    net_liquidation: Decimal | None = None
    used: Decimal | None = None
    per_contract: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the gate looks at before an order leaves. None means "could not be read" and fails.

    `order` is signed contracts; `held` what the broker holds now, `booked` what the desk thought it holds, in
    the same months where `months_agree`, `working` what unfinished orders of the bot may add. An opening
    adds `size` at most, to `limit` at most; `has_stop_price` tells whether the stop that goes with it, if one
    does, has a price. `age_s` is how long ago the event that calls for the position fired; `max_age_s` 0
    switches that rule off. `clock` is the seconds between the broker's clock and ours.
    """

    mode: str | None
    enabled: bool | None
    armed: bool | None
    held: int | None
    booked: int | None
    months_agree: bool | None
    order: int
    size: int | None
    limit: int
    age_s: float | None
    max_age_s: float
    reconciled: bool | None
    unfinished_opening: bool | None
    unfinished_closing: bool | None
    mismatch_open: bool | None
    ambiguity_open: bool | None
    alerts_alive: bool | None
    statement_agrees: bool | None
    versions_agree: bool | None
    session_open: bool | None
    before_flat_by: bool | None
    calendar_confirmed: bool | None
    contract_confirmed: bool | None
    contract_is_front: bool | None
    before_cutoff: bool | None
    contract_matches_chart: bool | None
    delayed: bool | None
    is_live: bool | None
    working: int | None = 0
    has_stop_price: bool | None = True
    clock: Limit = OFF
    bot: Usage = field(default_factory=Usage)
    account: Usage = field(default_factory=Usage)
    drawdown: Limit = OFF
    exposure: Exposure = field(default_factory=Exposure)
    margin: Margin = field(default_factory=Margin)

    @property
    def after(self) -> int | None:
        """Signed contracts that the bot may hold once this order and those at work are filled."""
        if self.held is None or self.working is None:
            return None
        return self.held + self.working + self.order
