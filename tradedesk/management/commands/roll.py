from typing import Any

from django.core.management.base import BaseCommand, CommandError

from broker.base import BrokerError
from tradedesk import wiring
from tradedesk.management import console
from tradedesk.management.command_help import with_examples
from tradedesk.models import Bot, Incident, IncidentKind
from tradedesk.services.contracts.rolling import CannotRoll, roll
from tradedesk.stores.positions import Busy


class Command(BaseCommand):
    help = (
        "Roll a bot's position: close the month that it must leave, then open as much in the month that\n"
        "the desk trades. Only what an open incident says is to be left, and through the whole gate.\n\n"
        "Exit codes\n0  rolled, or the opening works\n1  not rolled, or not all the way\n"
        "2  wrong use, or no such bot"
    )

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(
            super().create_parser(*names, **kwargs),
            'manage.py roll mes-paper --reason "volume has moved"',
        )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("bot", help="slug of the bot")
        parser.add_argument("--reason", default="", help="for the audit trail; required")

    def handle(self, *_args: Any, **options: Any) -> None:
        slug, reason = options["bot"], options["reason"].strip()[: console.LONGEST_REASON]
        if not Bot.objects.filter(slug=slug).exists():
            raise CommandError(f"There is no bot “{slug}”.", returncode=console.WRONG_USE)
        if not reason:
            raise CommandError('Say why: --reason "…"', returncode=console.WRONG_USE)
        due = Incident.objects.select_related("bot__account", "bot__instrument").filter(
            kind=IncidentKind.ROLL_DUE, bot__slug=slug, closed_at=None
        )
        incident = due.first()
        if incident is None:
            raise CommandError(f"No incident says that {slug} holds a month to be left.")
        try:
            opening = roll(wiring.desk(), incident, reason=reason, by=console.os_user())
        except CannotRoll as why:
            raise CommandError(str(why)) from None
        except (BrokerError, Busy) as error:
            raise CommandError(
                f"Look at the bot, then ask again: {str(error) or 'it is busy with an alert'}"
            ) from None
        self.stdout.write(f"The old month is closed; the opening in {opening.contract} is {opening.status}.")
