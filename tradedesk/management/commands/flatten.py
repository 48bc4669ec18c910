from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tradedesk import wiring
from tradedesk.management import console
from tradedesk.management.command_help import with_examples
from tradedesk.services.halting import flatten, kill_switch, wishes
from tradedesk.services.halting.scopes import UnknownScope
from tradedesk.services.shapes import flattened_json, switch_json


class Command(BaseCommand):
    help = (
        "Cancel what works and close what is held, halted or not, and read back until the broker\n"
        "shows zero twice or ten seconds are over; the worker goes on with the rest. The bots then wait\n"
        "for the next colour change; to keep them from trading use kill_switch on --mode flatten.\n\n"
        "--cancel  End a flatten that goes on. Entries stay blocked until kill_switch off.\n\n"
        "Exit codes\n0  flat, or cancelled\n1  not flat, or nothing to cancel\n2  wrong use, or no such scope"
    )
    requires_system_checks = ()

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(
            super().create_parser(*names, **kwargs),
            "manage.py flatten                                           every enabled account",
            'manage.py flatten --scope bot:mes-paper --reason "roll"     one bot',
        )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--scope", default="all", help="all, account:NAME or bot:SLUG (default: all)")
        parser.add_argument("--reason", default="", help="for the audit trail")
        parser.add_argument("--cancel", action="store_true", help="end a flatten that goes on")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        act = self._cancel if options["cancel"] else self._flatten
        scope, reason = options["scope"], options["reason"][: console.LONGEST_REASON]
        try:
            act(scope, reason, as_json=options["json"])
        except UnknownScope as error:
            raise console.unknown_scope(error) from None

    def _cancel(self, scope: str, reason: str, *, as_json: bool) -> None:
        was_open = wishes.cancel(
            scope, reason=reason, by=console.os_user(), source_address="", now=wiring.desk().now()
        )
        if not was_open:
            raise CommandError(f"No flatten of {scope} goes on.", returncode=console.NOT_DONE)
        if as_json:
            console.print_json(self.stdout, switch_json(kill_switch.status(scope)))
        else:
            self.stdout.write(f"{scope}: the flatten is over, entries stay blocked. Look at the broker.")

    def _flatten(self, scope: str, reason: str, *, as_json: bool) -> None:
        result = flatten.flatten(wiring.desk(), scope=scope, reason=reason, by=console.os_user())
        answer = flattened_json(result)
        if as_json:
            console.print_json(self.stdout, answer)
        else:
            console.print_flattened(self.stdout, answer)
        if not result.flat:
            console.leave(console.NOT_DONE)
