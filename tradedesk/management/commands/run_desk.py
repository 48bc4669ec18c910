import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from tradedesk.management.command_help import with_examples
from tradedesk.management.launcher import desk, processes


class Command(BaseCommand):
    help = "Start the whole desk on this machine and watch it: what `make run` does once all is installed."
    requires_system_checks = ()

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(
            super().create_parser(*names, **kwargs),
            "make run",
            "PORT=8100 SAMPLE=0 make run",
            "DATABASE_URL=postgresql://localhost/desk REDIS_URL=redis://localhost/0 make run",
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--stop-with-parent",
            action="store_true",
            help="stop when the make that started this one is stopped or dies",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        parent = os.getppid() if options["stop_with_parent"] else None
        if parent:
            processes.end_with_parent()
        sys.exit(desk.run(settings.BASE_DIR, settings.VAR_DIR, os.environ, parent))
