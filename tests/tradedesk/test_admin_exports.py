import csv
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.builders import at, make_alert, make_bot, make_fill, make_order, make_rejected_alert
from tradedesk.admin import exports
from tradedesk.admin.csv_files import cell
from tradedesk.models import Fill, OrderSide


def table(client: Client, path: str) -> list[list[str]]:
    answer: Any = client.get(path)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.reader(b"".join(answer.streaming_content).decode().splitlines()))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, ""),
        (-2, "-2"),
        (Decimal("-6842.25000000"), "-6842.25"),
        (Decimal("6800"), "6800"),
        (datetime(2026, 11, 23, 15, 0, 1, 500_000, tzinfo=UTC), "2026-11-23T15:00:01.500Z"),
        ("MESZ6", "MESZ6"),
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-cmd", "'-cmd"),
        ("  +1", "'  +1"),
        ("\t=1", "'\t=1"),
    ],
)
def test_cells_are_numbers_times_or_text_that_is_no_formula(value: object, written: str) -> None:
    assert cell(value) == written


def test_fills_come_with_their_order_newest_first(panel: Client) -> None:
    bot = make_bot()
    make_fill(make_order(bot), price=Decimal("6842.25"))
    make_fill(make_order(bot, side=OrderSide.SELL), price=Decimal(6850))

    rows = table(panel, "/admin/export/fill/")

    assert rows[0][:7] == ["filled_at", "account", "bot", "contract", "side", "quantity", "price"]
    assert [row[4:8] for row in rows[1:]] == [
        ["SELL", "1", "6850", "td-0002"],
        ["BUY", "1", "6842.25", "td-0001"],
    ]


def test_file_has_what_the_list_was_narrowed_to(panel: Client) -> None:
    bot = make_bot()
    make_order(bot)
    make_order(bot, side=OrderSide.SELL)

    listed = panel.get("/admin/tradedesk/order/?side=SELL&p=1").content.decode()

    assert 'href="/admin/export/order/?side=SELL"' in listed
    assert [row[4] for row in table(panel, "/admin/export/order/?side=SELL")] == ["side", "SELL"]


def test_words_of_strangers_are_no_formulas(panel: Client) -> None:
    bot = make_bot()
    make_rejected_alert(bot.strategy, errors={"=cmd": ["'calc'!A0"]}, symbol="@SUM(1)")
    make_alert(bot.strategy)

    rows = table(panel, "/admin/export/alert/")

    assert [row[4] for row in rows] == ["symbol", "MES1!", "'@SUM(1)"]
    assert rows[2][-1] == "'=cmd: 'calc'!A0"


@pytest.mark.parametrize("name", ["alert", "decision", "fill", "order"])
def test_every_list_has_its_file_for_those_who_may_see_it(
    name: str, panel: Client, viewer: Client, rows: list[Model]
) -> None:
    assert len(table(panel, f"/admin/export/{name}/")) >= 2
    assert viewer.get(f"/admin/export/{name}/").status_code == 403
    assert panel.get("/admin/export/user/").status_code == 404


def test_rows_are_read_a_few_at_a_time(
    desk: object, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    order = make_order(make_bot(), quantity=5)
    made = [make_fill(order, quantity=1).pk for _ in range(5)]
    monkeypatch.setattr(exports, "ROWS_AT_ONCE", 2)

    with django_assert_num_queries(4):
        assert [row.pk for row in exports.newest_first(Fill.objects.all())] == made[::-1]


def test_trades_come_with_the_fees_of_both_sides(panel: Client) -> None:
    bot = make_bot()
    bot.instrument.fee = Decimal("0.85")
    bot.instrument.save()
    make_fill(make_order(bot), price=Decimal(6800), filled_at=at(1))
    make_fill(make_order(bot, side=OrderSide.SELL), price=Decimal(6810), filled_at=at(2))

    assert table(panel, "/admin/profit/trades/?account=paper")[1:] == [
        ["2026-11-23T15:02:00.000Z", "paper", "mes-paper", "MESZ6", "1", "6800", "6810", "50", "1.7", "48.3"]
    ]
