import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from tradedesk.management.command_help import with_examples


class Command(BaseCommand):
    help = "Run the paper broker, which speaks Tradovate's protocol on this machine. No money, no market."
    requires_system_checks = ()

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(
            super().create_parser(*names, **kwargs),
            "manage.py paper_broker --port 9100",
            "manage.py paper_broker --port 9100 --data /tmp/practice.journal --latency 0.2",
            "manage.py paper_broker --port 9100 --bars MES=bars.csv --bar-seconds 2 --sessions",
            "PAPER_BROKER_URL=http://127.0.0.1:9100/v1 make run      in another terminal, to trade on it",
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", required=True, help="port on 127.0.0.1; 0 takes a free one")
        parser.add_argument(
            "--data", type=Path, help="file that remembers every order (paper-PORT.journal in var/)"
        )
        parser.add_argument("--user", help="login name (PAPER_BROKER_USER, else paper)")
        parser.add_argument("--password", help="login password (PAPER_BROKER_PASSWORD, else paper)")
        parser.add_argument("--seed", default="7", help="chooses the made-up prices (7)")
        parser.add_argument("--latency", default="0", help="seconds to wait before answering an order (0)")
        parser.add_argument(
            "--bars",
            action="append",
            type=_bars_from_here,
            default=[],
            metavar="ROOT=FILE",
            help="move a price through the bars of a CSV file with time,open,high,low,close",
        )
        parser.add_argument("--bar-seconds", default="1", help="seconds to play a bar in (1)")
        parser.add_argument("--walk", default="0", help="seconds between steps of the prices in use (off)")
        parser.add_argument("--sessions", action="store_true", help="keep the exchange's hours")
        parser.add_argument("--limits", action="store_true", help="keep Tradovate's limits on requests")
        parser.add_argument(
            "--scenarios",
            action="store_true",
            help="for tests: let anyone on this machine set faults (python -m broker.paper --help)",
        )
        parser.add_argument(
            "--no-sync",
            action="store_true",
            help="for benchmarks: do not wait for the disk; a power cut may lose orders",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        # The journal of `make run` belongs to the broker that it started itself.
        data = options["data"] or settings.VAR_DIR / f"paper-{options['port']}.journal"
        words = {"--port": options["port"], "--data": data.absolute(), "--seed": options["seed"]}
        words |= {f"--{name}": options[name.replace("-", "_")] for name in ("latency", "bar-seconds", "walk")}
        arguments = [str(part) for pair in words.items() for part in pair]
        arguments += [part for bars in options["bars"] for part in ("--bars", bars)]
        switches = ("sessions", "limits", "scenarios", "no-sync")
        arguments += [f"--{switch}" for switch in switches if options[switch.replace("-", "_")]]
        # A command line shows a password to everyone on the machine for as long as the broker runs.
        login = {f"PAPER_BROKER_{name}": options[name.lower()] for name in ("USER", "PASSWORD")}
        environment = os.environ | {name: value for name, value in login.items() if value is not None}
        settings.VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chdir(settings.BASE_DIR)
        os.execve(  # noqa: S606 - our own program
            sys.executable, [sys.executable, "-m", "broker.paper", *arguments], environment
        )


def _bars_from_here(text: str) -> str:
    """Return ROOT=FILE with the file's whole path; what is written otherwise the broker refuses."""
    root, _, path = text.partition("=")
    return f"{root}={Path(path).absolute()}" if path else text
