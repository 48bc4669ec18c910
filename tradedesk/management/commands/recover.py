from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from tradedesk import wiring
from tradedesk.management import console
from tradedesk.management.command_help import with_examples
from tradedesk.services.reconciling.recovery import recover


class Command(BaseCommand):
    help = (
        "Settle what a crash or a silent broker left behind: orders without a known outcome, alerts\n"
        "without a decision. No order is ever sent a second time. Prints a table.\n\n"
        "Exit codes\n0  nothing is open\n1  something stays open\n2  wrong use"
    )

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(
            super().create_parser(*names, **kwargs),
            "manage.py recover               ask again for up to a minute",
            "manage.py recover --wait 0      ask once",
        )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--wait",
            type=float,
            default=60.0,
            metavar="S",
            help="seconds to wait for the verdict (default: 60)",
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        found = recover(wiring.desk(), wait_s=options["wait"])
        if options["json"]:
            answer = {"open": found.open_count, "rows": [asdict(row) for row in found.rows]}
            console.print_json(self.stdout, answer)
        elif found.rows:
            rows = [(r.what, r.subject, r.outcome, "open" if r.still_open else "settled") for r in found.rows]
            console.print_table(self.stdout, ("what", "subject", "outcome", ""), rows)
        else:
            self.stdout.write("Nothing was left behind.")
        if found.open_count:
            console.leave(console.NOT_DONE)
