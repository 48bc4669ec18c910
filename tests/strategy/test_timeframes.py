from datetime import timedelta

import pytest

from strategy.timeframes import parse_timeframe


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1", 1),
        ("10", 10),
        ("10m", 10),
        ("15", 15),
        ("60", 60),
        ("1H", 60),
        ("1h", 60),
        ("4H", 240),
        ("240", 240),
        ("1440", 1440),
        ("24H", 1440),
        ("D", 1440),
        ("1D", 1440),
    ],
)
def test_timeframe_is_read_as_the_length_of_its_bar(text: str, minutes: int) -> None:
    assert parse_timeframe(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "010",
        "-10",
        "+10",
        "10.0",
        " 10",
        "10\n",
        "1441",
        "25H",
        "0H",
        "H",
        "10M",
        "1M",
        "M",
        "30S",
        "W",
        "1W",
        "2D",
        "11D",
        "100R",
        "{{interval}}",
        "\u0661\u0660",
    ],
)
def test_other_text_is_no_timeframe(text: str) -> None:
    assert parse_timeframe(text) is None
