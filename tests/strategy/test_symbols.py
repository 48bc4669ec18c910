from datetime import date

import pytest

from strategy.symbols import contract_name, root_of

ROOTS = ("ES", "MES", "NQ", "MNQ", "M2K", "RTY", "CL", "MCL", "GC", "MGC")
TODAY = date(2026, 11, 25)


@pytest.mark.parametrize(
    ("symbol", "root"),
    [
        ("MES1!", "MES"),
        ("MES2!", "MES"),
        ("MESZ2026", "MES"),
        ("MESZ26", "MES"),
        ("MESZ6", "MES"),
        ("MES", "MES"),
        ("ES1!", "ES"),
        ("ESH2027", "ES"),
        ("M2K1!", "M2K"),
        ("M2KZ6", "M2K"),
        ("M2KZ2026", "M2K"),
        ("M2K", "M2K"),
        ("MCLF27", "MCL"),
    ],
)
def test_symbol_names_its_root(symbol: str, root: str) -> None:
    assert root_of(symbol, ROOTS) == root


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        "YM1!",
        "MYMZ6",
        "MES3!",
        "MES!",
        "MES1",
        "MESZ",
        "MESA6",
        "MESZ126",
        "MESZ20266",
        "MESZ6 ",
        "MESZ6\n",
        "mes1!",
        "XMES1!",
        "CME_MINI:MES1!",
        "MESZ\u0666",
        "SPY",
    ],
)
def test_other_symbol_names_no_root(symbol: str) -> None:
    assert root_of(symbol, ROOTS) is None


def test_longest_root_wins_whatever_their_order() -> None:
    assert root_of("ZF6", ["Z", "ZF"]) == "Z"
    assert root_of("MH6", ["M", "MH6"]) == "MH6"
    assert root_of("MH6", ["MH6", "M"]) == "MH6"


@pytest.mark.parametrize(
    ("symbol", "contract"),
    [
        ("MESZ2026", "MESZ6"),
        ("MESZ26", "MESZ6"),
        ("MESZ6", "MESZ6"),
        ("ESH2027", "ESH7"),
        ("M2KZ2026", "M2KZ6"),
        ("M2KZ26", "M2KZ6"),
        ("M2KH7", "M2KH7"),
        ("CLF30", "CLF0"),
        ("ESZ2025", "ESZ5"),
        ("ESZ2034", "ESZ4"),
    ],
)
def test_dated_symbol_has_a_contract_with_one_year_digit(symbol: str, contract: str) -> None:
    assert contract_name(symbol, TODAY) == contract


@pytest.mark.parametrize(
    "symbol",
    ["MES1!", "MES2!", "MES", "M2K", "M2K1!", "", "MESZ", "MESA6", "MESZ126", "MESZ6\n", "mesz6", "LONGZ6"],
)
def test_symbol_without_a_month_has_no_contract(symbol: str) -> None:
    assert contract_name(symbol, TODAY) is None


@pytest.mark.parametrize("symbol", ["MESZ2036", "MESZ36", "ESZ2035", "ESZ2024", "MESZ1926"])
def test_year_that_one_digit_cannot_tell_apart_has_no_contract(symbol: str) -> None:
    assert contract_name(symbol, TODAY) is None
