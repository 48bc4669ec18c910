import pytest
from django.db import OperationalError, connection, transaction

from tests.builders import make_strategy
from tradedesk.models import Strategy
from tradedesk.stores.rows import Statement, read_first
from tradedesk.stores.waits import at_most

pytestmark = pytest.mark.django_db(transaction=True)

HANG = Statement("SELECT pg_sleep(0.4)", [])


def test_statement_without_an_answer_in_time_fails_and_is_not_asked_again() -> None:
    with at_most(0.05), pytest.raises(OperationalError, match="does not answer"):
        read_first(HANG)

    connection.close_if_unusable_or_obsolete()
    assert connection.connection is None


def test_no_answer_within_a_transaction_undoes_it() -> None:
    make_strategy(heartbeat_timeframe="10")

    with at_most(0.05), pytest.raises(OperationalError):
        change_and_hang()

    connection.close_if_unusable_or_obsolete()
    assert Strategy.objects.get().heartbeat_timeframe == "10"


@transaction.atomic
def change_and_hang() -> None:
    Strategy.objects.update(heartbeat_timeframe="15")
    read_first(HANG)
