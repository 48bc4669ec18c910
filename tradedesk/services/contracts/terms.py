from collections.abc import Iterable

import structlog

from broker.base import BrokerError
from tradedesk.models import Account, Environment, Instrument
from tradedesk.services.desk import READ_TIMEOUT_S, Desk, Link

log = structlog.get_logger(__name__)

# What is read last stays: real money has the last word.
LAST_WORD_LAST = (Environment.PAPER, Environment.DEMO, Environment.LIVE)


def refresh_costs(desk: Desk) -> int:
    """Read fee and margin of what each enabled account trades; return how many could not be read."""
    unread = 0
    for environment in LAST_WORD_LAST:
        for account in Account.objects.filter(enabled=True, environment=environment):
            try:
                link = desk.link(account, timeout_s=READ_TIMEOUT_S)
                unread += read_costs(link, account.bots.values_list("instrument__root", flat=True))
            except BrokerError as error:
                log.warning("costs.unread", account=account.name, error=str(error))
                unread += 1
    return unread


def read_costs(link: Link, roots: Iterable[str]) -> int:
    """Write down fee and margin of some instruments; return how many could not be read.

    What the broker does not tell stays as it is: a person may have entered it.
    """
    unread = 0
    for instrument in Instrument.objects.filter(root__in=roots):
        try:
            costs = link.broker.costs(instrument.root, timeout_s=READ_TIMEOUT_S)
        except BrokerError as error:
            log.warning("costs.unread", instrument=instrument.root, error=str(error))
            unread += 1
            continue
        told = {"fee": costs.fee, "initial_margin": costs.initial_margin}
        changed = {
            name: value
            for name, value in told.items()
            if value is not None and value != getattr(instrument, name)
        }
        if changed:
            told_now = {name: str(value) for name, value in changed.items()}
            log.info("costs.changed", instrument=instrument.root, **told_now)
            Instrument.objects.filter(pk=instrument.pk).update(**changed)
    return unread
