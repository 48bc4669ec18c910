"""Our names of fields as the wire has them."""

from functools import cache

_CAPITALS = {"pnl": "PnL", "sod": "SOD"}


@cache
def wire_name(attribute: str) -> str:
    """Return the vendor's spelling of a field: `realized_pnl` is `realizedPnL`."""
    first, *others = attribute.split("_")
    return first + "".join(_CAPITALS.get(word, word.capitalize()) for word in others)
