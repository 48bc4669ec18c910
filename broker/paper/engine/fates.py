"""What is to become of an order, set beforehand by whoever tests a client."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fate:
    """The life of one order to come.

    `reject` is a reason and a text: the order is taken in and then rejected. `parts` are the quantities that
    its fills come in: the first at once, each later one with the next price of its product, the next
    `release`, or after one latency; what they leave over fills as one more part. With `hold` the order works
    without filling until it is released.
    """

    reject: tuple[str, str] | None = None
    parts: tuple[int, ...] = ()
    hold: bool = False
