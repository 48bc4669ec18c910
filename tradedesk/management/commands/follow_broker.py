import signal
import threading
from argparse import ArgumentParser
from collections import defaultdict
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from broker.base import BrokerAuthFailed, BrokerError, BrokerRefused
from tradedesk import wiring
from tradedesk.management.command_help import with_examples
from tradedesk.models import Account
from tradedesk.services.following import Follower

log = structlog.get_logger(__name__)

TRY_AGAIN_AFTER_S = 5.0


class Command(BaseCommand):
    help = (
        "Follow the broker's stream of changes and book fills, orders and positions as they happen.\n"
        "For servers, beside web, worker and beat. It goes on through outages until it is stopped; a login\n"
        "that is refused or an account that is missing ends it.\n\n"
        "Exit codes\n0  stopped\n1  a login or an account is wrong\n2  wrong use"
    )

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(
            super().create_parser(*names, **kwargs),
            "manage.py follow_broker                     every enabled account",
            "manage.py follow_broker --account demo-1    one account",
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", metavar="NAME", help="follow this account only")

    def handle(self, *_args: Any, **options: Any) -> None:
        accounts = Account.objects.filter(enabled=True)
        if options["account"]:
            accounts = accounts.filter(name=options["account"])
        logins: defaultdict[tuple[str, str], list[Account]] = defaultdict(list)
        for account in accounts:
            logins[account.environment, account.credentials].append(account)
        if not logins:
            raise CommandError(f"no enabled account {options['account'] or 'at all'}")
        stop, troubles = threading.Event(), list[str]()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        threads = [
            threading.Thread(target=_follow, args=(group, stop, troubles)) for group in logins.values()
        ]
        for thread in threads:
            thread.start()
        self.stdout.write(f"Following {', '.join(account.name for account in accounts)}.")
        self.stdout.flush()
        for thread in threads:
            thread.join()
        if troubles:
            raise CommandError(" ".join(troubles))


def _follow(accounts: list[Account], stop: threading.Event, troubles: list[str]) -> None:
    """Follow one login until `stop` is set; what only a person can mend stops all."""
    while not stop.is_set():
        try:
            Follower(wiring.desk(), accounts).run(stop)
        except (BrokerAuthFailed, BrokerRefused) as error:
            troubles.append(f"{accounts[0].name}: {error}. Run manage.py doctor.")
            stop.set()
        except BrokerError as error:
            log.warning("follow.no_link", account=accounts[0].name, error=str(error))
            stop.wait(TRY_AGAIN_AFTER_S)
        except Exception:
            # A follower that is silently gone is worse than one that its supervisor starts again.
            log.exception("follow.failed", account=accounts[0].name)
            troubles.append(f"{accounts[0].name}: failed, see the log.")
            stop.set()
        finally:
            connections.close_all()
