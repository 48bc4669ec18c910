"""Makes the tables of a flow test's desk, many bots in it, and prints their secrets as JSON.

Run as a process of its own, so that the suite's own database connection stays out of it.
"""

import json
import os
import secrets
import sys
from typing import Any

ROOTS = ("MES", "MNQ", "MYM", "M2K", "MCL", "MGC", "ES", "NQ", "YM", "RTY", "CL", "GC")
ACCOUNTS = ("PAPER-1", "PAPER-2")


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tradedesk.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    sys.stdout.write(json.dumps(make_rows()))


def make_rows() -> dict[str, Any]:
    """Return the API token, the panel's password, and every bot with the webhook token that drives it."""
    from tradedesk import wiring
    from tradedesk.models import Account, Bot, Instrument, Strategy
    from tradedesk.services.alerts.tokens import keep_token, new_token
    from tradedesk.services.people.setup import Secrets, ensure_demo_desk

    own = Secrets(new_token(), "ada", secrets.token_urlsafe(12), secrets.token_hex(32))
    ensure_demo_desk(own, wiring.now())
    Bot.objects.all().delete()
    Account.objects.all().delete()
    accounts = {
        name: Account.objects.create(name=name.lower(), broker_account=name, environment="paper")
        for name in ACCOUNTS
    }
    # What a flow proves is the same however near the end of a contract the day is.
    Instrument.objects.update(opening_days=0, flat_days=0)
    bots = []
    for root in ROOTS:
        for name, account in accounts.items():
            slug, token = f"{root.lower()}-{name[-1]}", new_token()
            instrument = Instrument.objects.get(root=root)
            strategy = Strategy.objects.create(slug=slug, instrument=instrument)
            Bot.objects.create(slug=slug, strategy=strategy, account=account, instrument=instrument)
            keep_token(strategy, token, wiring.now())
            bots.append({"slug": slug, "token": token, "root": root, "account": name})
    return {"api_token": own.api_token, "admin_password": own.admin_password, "bots": bots}


if __name__ == "__main__":
    main()
