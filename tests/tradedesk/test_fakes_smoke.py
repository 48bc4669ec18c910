from tests.builders import make_alert, make_bot
from tests.fakes import FakeBroker
from tradedesk.models import Order
from tradedesk.selectors import bots_of
from tradedesk.services import trading
from tradedesk.services.desk import Desk


def test_blue_alert_buys_one(desk: Desk, broker: FakeBroker) -> None:
    bot = make_bot()
    alert = make_alert(bot.strategy)

    (result,) = trading.process(desk, alert, bots_of(bot.strategy), desk.deadline(2.5))

    assert result.decision and result.decision.reason == "TREND_BLUE"
    assert broker.held("MESZ6") == 1
    assert Order.objects.get().status == "filled"
