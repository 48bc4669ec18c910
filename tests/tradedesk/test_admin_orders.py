from datetime import timedelta
from decimal import Decimal

from django.test import Client

from tests.builders import at, make_alert, make_bot, make_decision, make_fill, make_order
from tests.fakes import START
from tradedesk.admin.cells import url_of
from tradedesk.admin.order_story import reply_of, steps_of
from tradedesk.models import Instrument, OrderPurpose, OrderSide, OrderStatus

ORDERS = "/admin/tradedesk/order/"


def test_unresolved_orders_are_pinned_above_the_list(panel: Client) -> None:
    bot = make_bot()
    make_order(bot)
    order = make_order(bot, status=OrderStatus.UNCONFIRMED, looks=2)

    html = panel.get(ORDERS).content.decode()

    assert "1 unresolved order: we do not know yet" in html
    assert html.index("we do not know yet") < html.index('id="result_list"')
    assert f'href="{url_of(order)}">Buy 1 MESZ6</a>, mes-paper' in html
    assert "asked for 2 times" in html


def test_nothing_is_pinned_while_all_is_known(panel: Client) -> None:
    make_order(make_bot())

    assert "we do not know yet" not in panel.get(ORDERS).content.decode()


def test_order_page_tells_intent_attempt_and_fills(panel: Client) -> None:
    bot = make_bot()
    decision = make_decision(make_alert(bot.strategy), bot)
    order = make_order(bot, decision=decision, acknowledged_at=START + timedelta(milliseconds=161))
    fill = make_fill(order)
    leg = make_order(
        bot, entry=order, purpose=OrderPurpose.STOP, price=Decimal(6824), status=OrderStatus.WORKING
    )

    html = panel.get(url_of(order)).content.decode()

    assert "Taken as order 1001 after 161 ms." in html
    assert "<dt>Contracts</dt><dd>1 MESZ6</dd>" in html
    assert "<dt>Type</dt><dd>Market</dd>" in html
    for row in (decision, decision.alert, fill, leg):
        assert f'href="{url_of(row)}"' in html


def test_steps_lie_on_one_scale_from_receipt_to_the_end(desk: object) -> None:
    bot = make_bot()
    decision = make_decision(make_alert(bot.strategy), bot, created_at=START + timedelta(milliseconds=20))
    times = {"created_at": 20, "sent_at": 40, "acknowledged_at": 100, "settled_at": 200}
    moments = {name: START + timedelta(milliseconds=ms) for name, ms in times.items()}
    order = make_order(bot, decision=decision, **moments)

    steps = steps_of(order, [])

    assert [(step.name, step.delta, step.start, step.length) for step in steps] == [
        ("Alert received", "", 0.0, 0.6),
        ("Decided", "+20 ms", 0.0, 10.0),
        ("Written down", "+0 ms", 10.0, 0.6),
        ("Sent", "+20 ms", 10.0, 10.0),
        ("Acknowledged", "+60 ms", 20.0, 30.0),
        ("Settled", "+100 ms", 50.0, 50.0),
    ]


def test_reply_says_what_is_not_known(desk: object) -> None:
    bot = make_bot()
    silent = make_order(bot, status=OrderStatus.UNCONFIRMED, looks=3)
    unsent = make_order(bot, status=OrderStatus.PENDING, sent_at=None)
    refused = make_order(bot, status=OrderStatus.REJECTED)

    assert [reply_of(order) for order in (silent, unsent, refused)] == [
        "No reply that tells what became of it. The broker was asked for it 3 times.",
        "Nothing was sent.",
        "Refused by the broker.",
    ]


def test_fills_show_what_each_brought(panel: Client) -> None:
    bot = make_bot()
    Instrument.objects.filter(root="MES").update(fee=Decimal("0.85"))
    make_fill(make_order(bot), price=Decimal(6800), filled_at=at(1))
    closing = make_fill(make_order(bot, side=OrderSide.SELL), price=Decimal(6790), filled_at=at(2))

    listed = panel.get("/admin/tradedesk/fill/").content.decode()
    alone = panel.get(url_of(closing)).content.decode()

    assert listed.count("▾ −$50.00") == 1
    assert listed.count("$0.85") == 2
    assert "long from 6,800.00" in alone
    assert "▾ −$50.00" in alone
