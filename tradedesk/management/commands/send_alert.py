from argparse import ArgumentParser
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tradedesk import wiring
from tradedesk.management import alerts
from tradedesk.management.command_help import with_examples


class Command(BaseCommand):
    help = (
        "Build an alert as TradingView sends it, post it to the webhook and tell what the desk made of it. "
        "It fires now, inside its bar. Exit code 1 when it was not taken."
    )
    requires_system_checks = ()

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(
            super().create_parser(*names, **kwargs),
            "manage.py send_alert --trend blue             the trend turned blue: go long",
            "manage.py send_alert --di down --close 6851.25    DI- crossed above DI+: leave a long",
            "manage.py send_alert --heartbeat",
            "manage.py send_alert --trend red --url https://desk.example.com/webhooks/tradingview/TOKEN/",
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        event = parser.add_mutually_exclusive_group(required=True)
        event.add_argument("--trend", choices=alerts.TREND_ACTIONS, help="the trend turned this colour")
        event.add_argument(
            "--di", choices=alerts.DI_ACTIONS, help="DI+ crossed above DI- (up) or below (down)"
        )
        event.add_argument("--heartbeat", action="store_true", help="a sign of life")
        parser.add_argument("--symbol", default="MES1!", help="what {{ticker}} would be (MES1!)")
        parser.add_argument("--timeframe", default="", help="what {{interval}} would be (10; 15 for --di)")
        parser.add_argument("--close", default="6840.00", help="price in points (6840.00)")
        parser.add_argument("--url", help="webhook with its token (the one of var/desk.json)")

    def handle(self, *_args: Any, **options: Any) -> None:
        url = options["url"] or settings.DESK.get("webhook_url")
        if not url:
            raise CommandError(
                "There is no var/desk.json here. Start the desk with `make run`, or give --url."
            )
        try:
            answer = alerts.post(url, _alert(options, wiring.now().astimezone(UTC)))
        except alerts.NotAnswered as problem:
            raise CommandError(f"The desk did not answer. {problem}") from problem
        text = "\n".join(answer.lines())
        if not answer.is_ok:
            raise CommandError(f"The alert was not taken. {text}")
        self.stdout.write(f"{answer.content.get('status')} {answer.content.get('alert_id') or ''}".strip())
        self.stdout.write(text)


def _alert(options: dict[str, Any], now: datetime) -> dict[str, Any]:
    try:
        Decimal(options["close"])
    except InvalidOperation:
        raise CommandError(f"--close {options['close']} is no price.") from None
    action = alerts.HEARTBEAT
    if options["trend"] or options["di"]:
        action = alerts.TREND_ACTIONS.get(options["trend"]) or alerts.DI_ACTIONS[options["di"]]
    # A bar that opens this very second makes each alert an event of its own.
    return alerts.payload(
        action,
        bar_open=alerts.iso(now),
        # Finer than TradingView's seconds, so that two alerts sent by hand keep their order.
        fired_at=alerts.iso(now, "milliseconds"),
        close=options["close"],
        symbol=options["symbol"],
        timeframe=options["timeframe"],
    )
