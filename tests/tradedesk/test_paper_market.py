from decimal import Decimal

import pytest

from broker.base import BrokerNotReached
from tests.builders import make_account, make_bot, make_instrument
from tests.fakes import FakeBroker
from tests.posting import Teller
from tests.telling import BLUE
from tradedesk.models import Account, Bot, Environment


@pytest.mark.parametrize("event", ["HEARTBEAT", BLUE])
def test_close_of_an_alert_that_trades_nothing_moves_the_paper_market(
    event: str, bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    tell(BLUE)
    before = dict(broker.prices)

    tell(event, 10)

    assert before == {}
    assert broker.prices == {"MES": Decimal("6842.25")}


def test_only_what_a_paper_bot_trades_is_moved(bot: Bot, tell: Teller, broker: FakeBroker) -> None:
    Account.objects.update(environment=Environment.DEMO)
    account = make_account("paper-2", environment=Environment.PAPER)
    make_bot("mnq-paper", strategy=bot.strategy, account=account, instrument=make_instrument("MNQ"))

    tell("HEARTBEAT")

    assert list(broker.prices) == ["MNQ"]


def test_paper_broker_that_is_away_costs_a_price_and_nothing_else(
    bot: Bot, tell: Teller, broker: FakeBroker
) -> None:
    broker.fail("move_paper_price", BrokerNotReached("down"))

    assert tell("HEARTBEAT").body["status"] == "heartbeat"
    assert broker.prices == {}
