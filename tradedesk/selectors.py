from tradedesk.models import Bot, Strategy


def bots_of(strategy: Strategy) -> list[Bot]:
    """Return the strategy's bots with account and instrument, the disabled ones included: they decide too."""
    bots = list(strategy.bots.select_related("account", "instrument"))
    for bot in bots:
        bot.strategy = strategy
    return bots
