from collections.abc import Iterable
from decimal import Decimal

import structlog

from broker.base import BrokerError
from tradedesk.models import Bot, Environment
from tradedesk.services.desk import Deadline, Desk

log = structlog.get_logger(__name__)

WITHIN_S = 0.3


def follow_chart(desk: Desk, bots: Iterable[Bot], close: Decimal | None, deadline: Deadline) -> None:
    """Let the paper market stand where the chart does, so that orders that rest there see the price.

    A paper broker that does not hear it misses a price and nothing else.
    """
    if close is None:
        return
    traded = {bot.instrument.root: bot for bot in bots if bot.account.environment == Environment.PAPER}
    for root, bot in traded.items():
        try:
            link = desk.link(bot.account, timeout_s=deadline.left_s(WITHIN_S))
            link.broker.move_paper_price(root, close, timeout_s=deadline.left_s(WITHIN_S))
        except BrokerError as error:
            log.info("paper.price_not_heard", root=root, error=str(error))
