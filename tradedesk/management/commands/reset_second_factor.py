from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from tradedesk import wiring
from tradedesk.management import console
from tradedesk.management.command_help import with_examples
from tradedesk.services.people import second_factor


class Command(BaseCommand):
    help = (
        "Forget the authenticator app and backup codes of a person who lost both. The person then sets up a "
        "new one in the panel. Exit code 2 when there is no such person."
    )

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(
            super().create_parser(*names, **kwargs),
            'manage.py reset_second_factor ada --reason "phone lost"',
        )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("person", help="name that the person signs in with")
        parser.add_argument("--reason", required=True, help="for the audit trail")

    def handle(self, *_args: Any, **options: Any) -> None:
        person = User.objects.filter(username=options["person"]).first()
        if person is None:
            raise CommandError(f"There is no person {options['person']}.", returncode=console.WRONG_USE)
        reason = options["reason"][: console.LONGEST_REASON]
        second_factor.remove(
            person, by=console.os_user(), reason=reason, source_address="", now=wiring.desk().now()
        )
        self.stdout.write(f"The second factor of {person} is off. It is set up anew in the panel.")
