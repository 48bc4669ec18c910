import sys
from typing import Any

from django.core.management.base import BaseCommand

from tradedesk import wiring
from tradedesk.management.command_help import with_examples
from tradedesk.models import Instrument
from tradedesk.services.contracts.terms import refresh_costs


class Command(BaseCommand):
    help = (
        "Read fee and margin of what each account trades from its broker, and write them on the instruments. "
        "Exit code 1 when something could not be read."
    )

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(super().create_parser(*names, **kwargs), "manage.py refresh_costs")

    def handle(self, *_args: Any, **_options: Any) -> None:
        unread = refresh_costs(wiring.desk())
        for instrument in Instrument.objects.filter(bots__isnull=False).distinct():
            self.stdout.write(
                f"{instrument.root:8} fee {instrument.fee or 'not known'}, "
                f"margin {instrument.initial_margin or 'not known'}"
            )
        if unread:
            self.stdout.write(f"{unread} could not be read.")
            sys.exit(1)
