from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from tests.builders import at, make_account, make_bot, make_fill, make_order, make_strategy, set_held
from tests.tradedesk.page_costs import cost_of
from tradedesk.admin.cells import url_of
from tradedesk.models import Account, Bot, OrderSide
from tradedesk.services.order_path import limit_use
from tradedesk.services.order_path.limit_use import Use, uses_of


def use(owner: Account | Bot, name: str) -> Use:
    uses = uses_of([Account.objects.get()], list(Bot.objects.select_related("state", "instrument")), at(5))
    return next(found for found in uses[owner.pk] if found.name == name)


@pytest.fixture
def loser(desk: object) -> Bot:
    """Return a bot that lost $50 in one round trip, and holds two contracts now."""
    bot = make_bot(daily_loss=Decimal(200), orders_per_session=4)
    for side, price in ((OrderSide.BUY, 6810), (OrderSide.SELL, 6800)):
        make_fill(make_order(bot, side=side, created_at=at(1)), price=Decimal(price), filled_at=at(1))
    set_held(bot, 2)
    return bot


def test_uses_of_a_bot_are_those_of_the_session(loser: Bot) -> None:
    make_order(loser, created_at=at(-60 * 24), status="filled")
    make_order(loser, created_at=at(1), status="denied")

    assert use(loser, "daily_loss") == Use("daily_loss", Decimal(50), Decimal(200))
    assert use(loser, "orders_per_session") == Use("orders_per_session", 2, 4)
    assert use(loser, "losing_streak") == Use("losing_streak", 1, None)
    assert use(loser, "max_position") == Use("max_position", 2, 1)
    assert use(loser, "daily_loss").percent == 25
    assert use(loser, "losing_streak").percent is None


def test_uses_of_an_account_are_those_of_its_bots_together(loser: Bot) -> None:
    other = make_bot("es", strategy=make_strategy("es", root="ES"))
    set_held(other, -1)
    account = loser.account

    assert use(account, "max_position").found == 3
    assert use(account, "max_group_position").found == 8
    assert use(account, "orders_per_session").found == 2
    assert use(account, "daily_loss").found is None


def test_fills_that_do_not_reach_back_to_the_session_are_not_known(
    loser: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limit_use, "MOST_FILLS", 1)

    assert use(loser, "trades_per_session").found is None
    assert use(loser, "daily_loss").found is None


def test_page_of_limits_shows_what_is_used_up_and_what_is_off(panel: Client, loser: Bot) -> None:
    html = panel.get("/admin/limits/").content.decode()

    assert "$50.00 of $200.00" in html
    assert "not known" not in html
    assert f'href="{url_of(loser)}#limits"' in html
    assert "losing round trips in a row" in html


def test_page_of_limits_costs_as_much_with_more_bots(panel: Client) -> None:
    def more() -> None:
        account = make_account(f"paper{Account.objects.count()}", daily_loss=100, max_position=2)
        make_bot(f"bot-{account}", account=account, orders_per_day=5, losing_streak=3)

    assert cost_of(panel, "/admin/limits/", more) == 9


def test_page_of_limits_before_there_is_an_account_and_without_the_right(
    panel: Client, viewer: Client
) -> None:
    assert "No account yet" in panel.get("/admin/limits/").content.decode()
    make_account()
    assert "Not yours to see" in viewer.get("/admin/limits/").content.decode()


def test_limit_says_beside_its_field_how_much_is_used_up(panel: Client, loser: Bot) -> None:
    html = panel.get(url_of(loser)).content.decode()

    assert "Now: $50.00 of $200.00." in html
    assert "Now: 1, no limit." in html


def test_person_who_may_not_change_a_bot_sees_no_button_to_save(viewer: Client, loser: Bot) -> None:
    eve = User.objects.get(username="eve")
    eve.user_permissions.set(Permission.objects.filter(codename__in=["view_bot", "view_account"]))

    html = viewer.get(url_of(loser)).content.decode()

    assert 'name="_save"' not in html
    assert "Audit log" not in html.split('id="content-main"')[1]
    assert viewer.post(url_of(loser), {"daily_loss": "9"}).status_code == 403
