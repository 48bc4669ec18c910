from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tradedesk import wiring
from tradedesk.management import console
from tradedesk.management.command_help import with_examples
from tradedesk.services.retention import TooYoung, prune


class Command(BaseCommand):
    help = (
        "Delete old alerts with their decisions, orders and fills, closed incidents and sent notices.\n"
        "The audit log and trading states stay. There is no way back: make a backup first.\n\n"
        "Exit codes\n0  done\n2  wrong use"
    )

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(
            super().create_parser(*names, **kwargs),
            "manage.py prune --keep-days 400",
            "manage.py prune                 what KEEP_HISTORY_DAYS says",
        )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--keep-days", type=int, metavar="N", help="days of history to keep (default: KEEP_HISTORY_DAYS)"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        keep_days = options["keep_days"]
        keep_days = settings.KEEP_HISTORY_DAYS if keep_days is None else keep_days
        if not keep_days:
            raise CommandError(
                "Say how many days to keep: KEEP_HISTORY_DAYS is 0.", returncode=console.WRONG_USE
            )
        desk, total = wiring.desk(), 0
        try:
            while gone := prune(desk.now(), keep_days, desk.event_window):
                total += sum(gone.values())
                self.stdout.write(", ".join(f"{count} {name}" for name, count in gone.items()))
        except TooYoung as refusal:
            raise CommandError(str(refusal.__doc__), returncode=console.WRONG_USE) from None
        self.stdout.write(f"Deleted {total} rows older than {keep_days} days.")
