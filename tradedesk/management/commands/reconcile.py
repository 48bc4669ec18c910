from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tradedesk import wiring
from tradedesk.management import console
from tradedesk.management.command_help import with_examples
from tradedesk.models import Account
from tradedesk.services.reconciling.rounds import Round, reconcile_each
from tradedesk.services.shapes import incident_json


class Command(BaseCommand):
    help = (
        "Compare positions and working orders with the broker. Nothing is traded. A difference\n"
        "seen twice, five seconds apart, becomes an incident and lets the account only reduce.\n\n"
        "Exit codes\n0  no difference\n1  a difference, or a broker that does not answer\n"
        "2  wrong use, or no such account"
    )

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(
            super().create_parser(*names, **kwargs),
            "manage.py reconcile                    every enabled account",
            "manage.py reconcile --account paper",
        )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--account", default="", help="name of one account (default: all enabled)")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        name = options["account"]
        accounts = list(Account.objects.filter(name=name) if name else Account.objects.filter(enabled=True))
        if name and not accounts:
            raise CommandError(f"There is no account “{name}”.", returncode=console.WRONG_USE)
        found = reconcile_each(wiring.desk(), accounts)
        if options["json"]:
            console.print_json(self.stdout, _json(found))
        else:
            self._print(found, len(accounts))
        if not found.clean:
            console.leave(console.NOT_DONE)

    def _print(self, found: Round, count: int) -> None:
        for name, error in found.unread.items():
            self.stdout.write(f"{name}: the broker gave no answer: {error}")
        if found.differences:
            console.print_differences(self.stdout, found.differences)
        for incident in found.incidents:
            self.stdout.write(f"Open incident: {incident}. {incident.remedy}")
        if found.clean:
            self.stdout.write(f"Clean: {count} account{'s' if count != 1 else ''} compared, no difference.")


def _json(found: Round) -> dict[str, Any]:
    return {
        "clean": found.clean,
        "differences": found.differences,
        "incidents": [incident_json(incident) for incident in found.incidents],
        "unread": {name: str(error) for name, error in found.unread.items()},
    }
