import json
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from tradedesk import wiring
from tradedesk.models import Alert, Bot
from tradedesk.services.alerts.tokens import digest_of
from tradedesk.services.people.setup import Secrets, ensure_demo_desk
from tradedesk.stores.positions import stored


class Command(BaseCommand):
    help = "Migrate the database and make the demo desk of var/desk.json in it. Part of `make run`."
    requires_migrations_checks = False

    def handle(self, *_args: Any, **_options: Any) -> None:
        desk = settings.DESK
        if not desk:
            raise CommandError("There is no var/desk.json; `make run` writes it.")
        call_command("migrate", interactive=False, verbosity=0)
        ensure_demo_desk(
            Secrets(desk["webhook_token"], desk["admin_user"], desk["admin_password"], desk["api_token"]),
            wiring.now(),
        )
        bot = Bot.objects.filter(strategy__tokens__digest=digest_of(desk["webhook_token"])).first()
        color = stored(bot.id).state.color if bot else None
        self.stdout.write(json.dumps({"has_alerts": Alert.objects.exists(), "color": color}))
