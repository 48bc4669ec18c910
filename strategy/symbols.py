import re
from collections.abc import Collection
from datetime import date

_MONTHS = "FGHJKMNQUVXZ"
_AFTER_ROOT = re.compile(rf"|[12]!|[{_MONTHS}](?:[0-9]{{4}}|[0-9]{{1,2}})")
_DATED = re.compile(rf"(?P<root>[A-Z0-9]{{1,3}})(?P<month>[{_MONTHS}])(?P<year>[0-9]{{4}}|[0-9]{{1,2}})")


def root_of(symbol: str, roots: Collection[str]) -> str | None:
    """Return the longest of the roots that the symbol names; None if it names none of them.

    A symbol is a bare root (`MES`), a continuous one (`MES1!`, `MES2!`) or dated (`MESZ2026`, `MESZ26`,
    `MESZ6`).
    """
    for root in sorted(roots, key=len, reverse=True):
        if symbol.startswith(root) and _AFTER_ROOT.fullmatch(symbol, len(root)):
            return root
    return None


def contract_name(symbol: str, today: date) -> str | None:
    """Return the contract of a dated symbol with a one-digit year, as Tradovate writes it: `MESZ6`.

    None for a continuous or bare symbol, and for a year outside the ten that begin with last year: there one
    digit would name another contract.
    """
    match = _DATED.fullmatch(symbol)
    if match is None:
        return None
    digits = match["year"]
    if len(digits) > 1:
        year = int(digits) if len(digits) == 4 else 2000 + int(digits)
        if not today.year - 1 <= year <= today.year + 8:
            return None
    return f"{match['root']}{match['month']}{digits[-1]}"
