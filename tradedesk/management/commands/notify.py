from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tradedesk import wiring
from tradedesk.management import console
from tradedesk.management.command_help import with_examples
from tradedesk.services.reports import sending, telling
from tradedesk.services.reports.channels import Channel, NotDelivered, UnreadableAddress, channels_of

TEST = ("TradeDesk test", "This channel works.")


class Command(BaseCommand):
    help = (
        "Send the notices that are due, or with --test one message to every address in NOTIFY_URLS.\n"
        "No address is shown.\n\n"
        "Exit codes\n0  all delivered\n1  a channel did not take a message\n"
        "2  wrong use, or no usable address"
    )

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(
            super().create_parser(*names, **kwargs),
            "manage.py notify --test",
            "manage.py notify                for a schedule of your own",
        )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--test", action="store_true", help="send a test message instead")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            channels = channels_of(settings.NOTIFY_URLS)
        except UnreadableAddress as error:
            raise CommandError(str(error), returncode=console.WRONG_USE) from None
        if not channels:
            raise CommandError("NOTIFY_URLS is empty.", returncode=console.WRONG_USE)
        all_well = self._test(channels) if options["test"] else self._send(channels)
        if not all_well:
            console.leave(console.NOT_DONE)

    def _test(self, channels: list[Channel]) -> bool:
        rows = [(channel.name, _delivered(channel)) for channel in channels]
        console.print_table(self.stdout, ("channel", "result"), rows)
        return all(result == "delivered" for _, result in rows)

    def _send(self, channels: list[Channel]) -> bool:
        desk = wiring.desk()
        telling.tell_what_happened(desk.now())
        done = sending.send_notices(desk, channels)
        self.stdout.write(f"Delivered: {done.messages}. Not delivered: {done.failures}.")
        return not done.failures


def _delivered(channel: Channel) -> str:
    try:
        channel.send(*TEST)
    except NotDelivered as failure:
        return f"NOT DELIVERED: {failure}"
    return "delivered"
