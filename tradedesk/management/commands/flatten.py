from typing import Any

from django.core.management.base import BaseCommand

from tradedesk import wiring
from tradedesk.management import console
from tradedesk.management.command_help import with_examples
from tradedesk.services import flatten
from tradedesk.services.scopes import UnknownScope
from tradedesk.services.shapes import flattened_json


class Command(BaseCommand):
    help = (
        "Cancel what works and close what is held, halted or not, and read back until the broker\n"
        "shows zero twice or ten seconds are over. The bots then wait for the next colour change;\n"
        "to keep them from trading use kill_switch on --mode flatten.\n\n"
        "Exit codes\n0  flat\n1  not flat\n2  wrong use, or no such scope"
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
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        scope, reason = options["scope"], options["reason"][: console.LONGEST_REASON]
        try:
            result = flatten.flatten(wiring.desk(), scope=scope, reason=reason, by=console.os_user())
        except UnknownScope as error:
            raise console.unknown_scope(error) from None
        answer = flattened_json(result)
        if options["json"]:
            console.print_json(self.stdout, answer)
        else:
            console.print_flattened(self.stdout, answer)
        if not result.flat:
            console.leave(console.NOT_DONE)
