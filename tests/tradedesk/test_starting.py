import threading
from decimal import Decimal

import pytest

from broker.base import BrokerNotReached
from tests.builders import make_account, make_bot
from tests.fakes import FakeBroker, FakeClock, FakeLinks
from tradedesk.models import Account, FlattenWish, Instrument
from tradedesk.services.desk import Desk
from tradedesk.services.halting import versions, wishes
from tradedesk.services.reconciling.starting import settle_at_start


@pytest.mark.django_db(transaction=True)
def test_start_tries_until_every_account_was_read(desk: Desk, clock: FakeClock, links: FakeLinks) -> None:
    make_account(reconciled_at=None)
    links.down["paper"] = BrokerNotReached("connection refused")
    pauses: list[float] = []

    def broker_comes_up_later() -> None:
        pauses.append(clock.monotonic())
        if len(pauses) == 3:
            links.down.clear()

    clock.during_sleep = broker_comes_up_later
    thread = threading.Thread(target=settle_at_start, args=[desk])
    thread.start()
    thread.join(timeout=30)

    assert not thread.is_alive()
    assert [later - 1000 for later in pauses] == [1, 3, 7]
    assert Account.objects.get(name="paper").reconciled_at == clock.now()


@pytest.mark.django_db(transaction=True)
def test_start_reads_the_fees_that_are_not_known_yet(desk: Desk, broker: FakeBroker) -> None:
    make_bot()

    for _ in range(2):
        thread = threading.Thread(target=settle_at_start, args=[desk])
        thread.start()
        thread.join(timeout=30)

    assert Instrument.objects.get(root="MES").fee == Decimal("0.85")
    assert broker.calls["costs"] == 1


@pytest.mark.django_db(transaction=True)
def test_start_goes_on_flattening_at_once_and_before_anything_else(
    desk: Desk, clock: FakeClock, broker: FakeBroker
) -> None:
    make_account(reconciled_at=None)
    broker.hold("MESZ6", 1)
    # Taken by a process that died a moment ago.
    wishes.latch("all", reason="", by="ada", source_address="", passes_halt=True, until=None, now=clock.now())
    reconciled: list[bool] = []
    broker.before_submit = lambda _: reconciled.append(Account.objects.exclude(reconciled_at=None).exists())
    thread = threading.Thread(target=settle_at_start, args=[desk])
    thread.start()
    thread.join(timeout=30)

    assert (broker.held(), reconciled) == (0, [False])
    assert FlattenWish.objects.get().ended_at is not None
    assert Account.objects.get().reconciled_at is not None


@pytest.mark.django_db(transaction=True)
def test_start_on_an_older_schema_lets_nothing_open_until_it_is_migrated(
    desk: Desk, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_account(reconciled_at=None)
    missing = ["tradedesk.0099_later"]
    monkeypatch.setattr(versions, "missing_migrations", lambda: list(missing))
    unsettled: list[bool] = []

    def migrate_while_it_waits() -> None:
        unsettled.append(Account.objects.filter(reconciled_at=None).exists())
        missing.clear()

    clock.during_sleep = migrate_while_it_waits
    thread = threading.Thread(target=settle_at_start, args=[desk])
    thread.start()
    thread.join(timeout=30)

    assert unsettled == [True]
    assert Account.objects.get().reconciled_at is not None
