from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from tradedesk import wiring
from tradedesk.management import console
from tradedesk.management.command_help import with_examples
from tradedesk.services.halting import leasing
from tradedesk.services.halting.leasing import HeldElsewhere, NoRegion, Standing


class Command(BaseCommand):
    help = (
        "Say which region of the desk may send orders, where it runs in two (DESK_REGION).\n\n"
        "take     Give it to this region, if the other released it or let it run out. Needs --reason.\n"
        "release  Take it from whichever region holds it: nothing leaves until it is taken. Needs --reason.\n"
        "status   Who holds it, and for how long.\n\n"
        "Exit codes\n"
        "0  done; for status: this region holds it\n"
        "1  not done; for status: this region does not hold it\n"
        "2  wrong use, or a desk of one region"
    )
    requires_system_checks = ()

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(
            super().create_parser(*names, **kwargs),
            "manage.py lease status",
            'manage.py lease release --reason "move to us-west-2"    in either region',
            'manage.py lease take --reason "us-east-1 is down"       in the region that is to trade',
        )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("act", choices=["take", "release", "status"])
        parser.add_argument("--reason", default="", help="for the audit trail; required but for status")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            self._act(options["act"], options["reason"].strip()[: console.LONGEST_REASON])
        except NoRegion:
            message = "This desk runs in one region: DESK_REGION is not set."
            raise CommandError(message, returncode=console.WRONG_USE) from None
        except HeldElsewhere as held:
            raise CommandError(
                f"{held.holder} holds the lease for another {held.left_s:.0f} s and renews it. "
                "Release it first, or wait until it has run out.",
                returncode=console.NOT_DONE,
            ) from None
        except DatabaseError as error:
            raise CommandError(
                f"The database does not answer, or is a replica. Nothing is sent meanwhile. {error}"
            ) from None

    def _act(self, act: str, reason: str) -> None:
        if act == "status":
            standing = leasing.status()
            self._print(standing)
            if not standing.is_ours:
                console.leave(console.NOT_DONE)
            return
        if not reason:
            raise CommandError('Say why: --reason "…"', returncode=console.WRONG_USE)
        change = leasing.take if act == "take" else leasing.release
        self._print(change(wiring.desk(), reason=reason, by=console.os_user()))

    def _print(self, standing: Standing) -> None:
        self.stdout.write(f"Region of this desk: {standing.region}")
        since = f" since {standing.since:%Y-%m-%d %H:%M:%S} UTC" if standing.since else ""
        left = f", {standing.left_s:.0f} s left" if standing.holder else ""
        self.stdout.write(f"Lease: {standing.holder or 'nobody'}{since}{left}")
        if standing.in_flight:
            self.stdout.write(
                f"{standing.in_flight} orders had left before and have no outcome yet: manage.py recover"
            )
