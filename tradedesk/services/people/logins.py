"""How often a person may try to sign in."""

import hashlib
from datetime import datetime

from tradedesk.stores import rates

WINDOW_S = 900
# From one address, and from all together: who guesses from many must not lock a person out soon.
TRIES_FROM_HERE, TRIES_IN_ALL = 5, 100


def may_try(name: str, source_address: str, now: datetime) -> bool:
    """Count a try to sign in as `name`; tell whether the password may be looked at."""
    here = rates.count_in(_from_here(name, source_address), WINDOW_S, now)
    in_all = rates.count_in(_in_all(name), WINDOW_S, now)
    return here <= TRIES_FROM_HERE and in_all <= TRIES_IN_ALL


def forget_tries(name: str, source_address: str, now: datetime) -> None:
    """Begin to count anew, for the person got in."""
    rates.forget(_from_here(name, source_address), WINDOW_S, now)


def _from_here(name: str, source_address: str) -> str:
    return f"login:{_hashed(f'{name.lower()}|{source_address}')}"


def _in_all(name: str) -> str:
    return f"login:{_hashed(name.lower())}"


def _hashed(text: str) -> str:
    """Return what stands for a name in Redis: people type passwords into the wrong field."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
