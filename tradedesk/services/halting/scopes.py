from django.db.models import QuerySet

from tradedesk.models import Account, Bot, Order, TradingMode, TradingState


class UnknownScope(Exception):
    """No such scope: it is `all`, `account:NAME` or `bot:SLUG` of an account or bot that exists."""


def state_of(scope: str) -> TradingState:
    """Return the trading state of a scope. Raises UnknownScope."""
    try:
        return TradingState.objects.get(scope=scope)
    except TradingState.DoesNotExist:
        raise UnknownScope(scope) from None


def states_within(scope: str) -> QuerySet[TradingState]:
    """Return the trading states of the narrower scopes that a scope covers. Raises UnknownScope."""
    state = state_of(scope)
    others = TradingState.objects.exclude(pk=state.pk)
    if state.bot_id:
        return others.none()
    return others.filter(bot__account_id=state.account_id) if state.account_id else others


def stopped_within(scope: str) -> QuerySet[TradingState]:
    """Return the narrower scopes that are not active by their own switch. Raises UnknownScope."""
    return states_within(scope).exclude(mode=TradingMode.ACTIVE)


def bots_in(scope: str) -> list[Bot]:
    """Return the bots that a scope covers. Raises UnknownScope."""
    state = state_of(scope)
    bots = Bot.objects.select_related("account", "instrument", "strategy__instrument")
    if state.bot_id:
        return list(bots.filter(pk=state.bot_id))
    return list(bots.filter(account_id=state.account_id) if state.account_id else bots)


def accounts_in(scope: str) -> list[Account]:
    """Return the accounts that a scope covers or lies in; disabled ones if named. Raises UnknownScope."""
    state = state_of(scope)
    if state.bot_id:
        return [bot.account for bot in bots_in(scope)]
    if state.account_id:
        return list(Account.objects.filter(pk=state.account_id))
    return list(Account.objects.all())


def orders_in(scope: str) -> QuerySet[Order]:
    """Return the orders of a scope. Raises UnknownScope."""
    state = state_of(scope)
    if state.bot_id:
        return Order.objects.filter(bot_id=state.bot_id)
    return Order.objects.filter(account_id=state.account_id) if state.account_id else Order.objects.all()
