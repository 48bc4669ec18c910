from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from tests.builders import at, make_account, make_bot, make_order, make_strategy, make_user, set_held
from tests.fakes import START, FakeBroker, FakeClock
from tests.tradedesk.page_costs import cost_of
from tradedesk.admin.positions import differences_of
from tradedesk.models import Account, Bot, IncidentKind, Order, OrderPurpose, OrderStatus
from tradedesk.services.people import roles

PAGE = "/admin/tradedesk/botstate/"
CHECK = "/admin/positions/reconcile/"


@pytest.fixture
def operator_browser(desk: object) -> Client:
    """Return a browser of an operator."""
    return _browser(roles.OPERATOR)


def _browser(role: str) -> Client:
    roles.ensure_roles()
    user = make_user(role)
    user.groups.set(Group.objects.filter(name=role))
    client = Client()
    client.force_login(user)
    return client


def page(client: Client) -> str:
    return client.get(PAGE).content.decode()


def differ(bot: Bot, broker: int, booked: int, seen: str) -> None:
    identity = f"{IncidentKind.POSITION_MISMATCH.value}|{bot.slug}|{broker}|{booked}"
    Account.objects.filter(pk=bot.account_id).update(differences={identity: seen})


def test_desk_without_bots_says_what_a_position_belongs_to(panel: Client) -> None:
    assert "No bot yet" in page(panel)


def test_position_stands_beside_target_broker_stop_and_age(panel: Client) -> None:
    bot = make_bot(stop_points=Decimal(10))
    set_held(bot, 2)
    make_order(bot, purpose=OrderPurpose.STOP, price=Decimal(6824), status=OrderStatus.WORKING)

    html = page(panel)

    assert '<td data-label="Ours" class="num"><strong>2</strong></td>' in html
    assert '<td data-label="Broker" class="num">2</td>' in html
    assert ">6,824.00</a>" in html
    assert "Flatten 2 MESZ6…" in html
    assert "15:00:00 UTC" in html
    Order.objects.all().delete()
    assert "Missing" in page(panel)


def test_short_position_is_flattened_by_its_size(panel: Client) -> None:
    set_held(make_bot(), -3)

    html = page(panel)

    assert "<strong>−3</strong>" in html
    assert "Flatten 3 MESZ6…" in html


def test_difference_is_shown_with_its_second_look(panel: Client, clock: FakeClock) -> None:
    bot = make_bot()
    set_held(bot, 1)
    differ(bot, 3, 1, START.isoformat())

    html = page(panel)

    assert '<tr class="differs">' in html
    assert '<td data-label="Broker" class="num">3</td>' in html
    assert '<strong class="stop">2</strong>' in html
    assert "reconciling, 2nd look in 5 s" in html
    clock.advance(6)
    assert "seen twice, an incident" in page(panel)


def test_position_of_no_bot_is_listed(panel: Client) -> None:
    bot = make_bot()
    identity = f"{IncidentKind.FOREIGN_POSITION.value}|paper CLF7|-1|0"
    Account.objects.update(differences={identity: START.isoformat()})

    assert "paper CLF7, −1 contracts" in page(panel)
    bot.account.refresh_from_db()
    (found,) = differences_of(bot.account)
    assert (found.subject, found.broker, found.booked) == ("paper CLF7", -1, 0)


def test_comparison_that_is_old_is_not_shown_as_present(panel: Client, clock: FakeClock) -> None:
    set_held(make_bot(), 1)

    clock.advance(91)

    assert "last good" in page(panel)
    Account.objects.update(reconciled_at=None)
    assert '<td data-label="Broker" class="num stale">–</td>' in page(panel)


def test_operator_compares_now_and_reads_what_was_found(operator_browser: Client, broker: FakeBroker) -> None:
    set_held(make_bot(), 1, contract="MESZ6")

    told = operator_browser.post(CHECK, {"account": "paper"}, headers={"HX-Request": "true"})
    plain = operator_browser.post(CHECK, {"account": "paper"}, follow=True)

    assert "1 difference; a second look in 5 s makes an incident of it." in told.content.decode()
    assert "paper: 1 difference" in plain.content.decode()


def test_viewer_has_no_buttons_and_cannot_compare(desk: object) -> None:
    set_held(make_bot(), 1)
    client = _browser(roles.VIEWER)

    html = page(client)

    assert "Flatten 1" not in html
    assert "Reconcile paper now" not in html
    assert client.post(CHECK, {"account": "paper"}).status_code == 403
    assert client.get(CHECK).status_code == 405


def test_person_without_rights_does_not_see_positions(viewer: Client) -> None:
    assert viewer.get(PAGE).status_code == 403


def test_page_costs_the_same_with_many_bots(panel: Client) -> None:
    def one_more() -> None:
        count = Bot.objects.count()
        make_bot(f"bot-{count}", account=make_account(f"a{count}"), strategy=make_strategy(f"s{count}"))

    assert cost_of(panel, PAGE, one_more) == 11


def test_second_look_counts_down(desk: object) -> None:
    bot = make_bot()
    differ(bot, 1, 0, START.isoformat())
    bot.account.refresh_from_db()
    (found,) = differences_of(bot.account)

    assert [found.second_look_in(at(seconds / 60)) for seconds in (0, 3, 5, 60)] == [5, 2, 0, 0]
