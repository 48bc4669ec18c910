import signal
import threading
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, close_old_connections, connections

from broker.base import BrokerAuthFailed, BrokerError, BrokerRefused
from tradedesk import wiring
from tradedesk.management import console
from tradedesk.management.command_help import with_examples
from tradedesk.models import Account
from tradedesk.services.halting.versions import keep_signing
from tradedesk.services.reconciling.comparing import Comparer
from tradedesk.services.reconciling.following import Follower

log = structlog.get_logger(__name__)

TRY_AGAIN_AFTER_S = 5.0
# What still runs then, a read that hangs say, has nothing to lose: it is looked up after the next start.
STOP_WITHIN_S = 5.0


class _GivenUp(Exception):
    """A login is not followed any more; the text says why."""


class Command(BaseCommand):
    help = (
        "Follow the broker's stream of changes and book fills, orders and positions as they happen.\n"
        "For servers, beside web, worker and beat. It goes on through outages until it is stopped; a login\n"
        "that is refused or an account that is missing ends it, and a database that is away at the start.\n\n"
        "Exit codes\n0  stopped\n1  a login or an account is wrong, or the database is away\n"
        "2  wrong use, or no such account"
    )

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(
            super().create_parser(*names, **kwargs),
            "manage.py follow_broker                     every enabled account",
            "manage.py follow_broker --account demo-1    one account",
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", default="", metavar="NAME", help="follow this account only")

    def handle(self, *_args: Any, **options: Any) -> None:
        accounts = _accounts(options["account"])
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        signing = threading.Thread(target=keep_signing, args=[wiring.desk(), "follower", stop], daemon=True)
        signing.start()
        followed = [thread for group in _by_login(accounts) for thread in _start(group, stop)]
        self.stdout.write(f"Following {', '.join(account.name for account in accounts)}.")
        self.stdout.flush()
        try:
            ended, _ = wait(followed, return_when=FIRST_COMPLETED)
            for one in ended:
                one.result()
        except _GivenUp as error:
            raise CommandError(str(error), returncode=console.NOT_DONE) from error
        finally:
            stop.set()
            wait(followed, timeout=STOP_WITHIN_S)


def _accounts(name: str) -> list[Account]:
    try:
        accounts = list(Account.objects.filter(enabled=True, **({"name": name} if name else {})))
    except DatabaseError as error:
        raise CommandError(f"The database does not answer: {error}", returncode=console.NOT_DONE) from error
    if not accounts:
        missing = f"There is no enabled account “{name}”." if name else "There is no enabled account."
        raise CommandError(missing, returncode=console.WRONG_USE)
    return accounts


def _by_login(accounts: list[Account]) -> list[list[Account]]:
    logins: defaultdict[tuple[str, str], list[Account]] = defaultdict(list)
    for account in accounts:
        logins[account.environment, account.credentials].append(account)
    return list(logins.values())


def _start(accounts: list[Account], stop: threading.Event) -> list[Future[None]]:
    """Follow one login, and compare its accounts beside that."""
    name, comparer = accounts[0].name, Comparer(wiring.desk())
    return [
        _in_thread(f"follow {name}", lambda: _follow(accounts, comparer, stop)),
        _in_thread(f"compare {name}", lambda: comparer.run(stop)),
    ]


def _in_thread(name: str, work: Callable[[], None]) -> Future[None]:
    """Do some work in a thread that does not keep the process alive."""
    done: Future[None] = Future()

    def run() -> None:
        try:
            work()
            done.set_result(None)
        except _GivenUp as error:
            done.set_exception(error)
        except Exception:
            # A follower that is silently gone is worse than one that its supervisor starts again.
            log.exception("follow.failed", what=name)
            done.set_exception(_GivenUp(f"{name}: failed, see the log."))
        finally:
            connections.close_all()

    threading.Thread(target=run, name=name, daemon=True).start()
    return done


def _follow(accounts: list[Account], comparer: Comparer, stop: threading.Event) -> None:
    """Follow one login until `stop` is set. Raises _GivenUp for what only a person can mend."""
    is_known_down = False
    while not stop.is_set():
        # A connection that broke is never mended by asking again.
        close_old_connections()
        try:
            Follower(wiring.desk(), accounts, comparer).run(stop)
        except (BrokerAuthFailed, BrokerRefused) as error:
            raise _GivenUp(f"{accounts[0].name}: {error}. Run manage.py doctor.") from error
        except (BrokerError, DatabaseError) as error:
            if not is_known_down:
                log.warning("follow.no_link", account=accounts[0].name, error=repr(error))
            is_known_down = True
            stop.wait(TRY_AGAIN_AFTER_S)
