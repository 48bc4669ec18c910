from getpass import getpass
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from tradedesk import wiring
from tradedesk.management import console
from tradedesk.management.command_help import with_examples
from tradedesk.models import TradingMode
from tradedesk.services.halting import kill_switch
from tradedesk.services.halting.flatten import flatten
from tradedesk.services.halting.scopes import UnknownScope
from tradedesk.services.people import second_factor
from tradedesk.services.people.second_factor import VerifiedCode
from tradedesk.services.shapes import MODE_WORDS, flattened_json, incident_json, switch_json

MAY_RELEASE = "tradedesk.release_tradingstate"
LIVE_LOCKED = (
    "A live account stays halted: name yourself with --person and give a one-time code that is right."
)


class Command(BaseCommand):
    help = (
        "Stop all trading, let it go on, or tell how the switch stands. Needs the database only:\n"
        "it works with Redis, the worker and the web process down.\n\n"
        "on      Once it returns no order leaves any more. Engage first, ask afterwards.\n"
        "off     Reconciles first, and refuses while the broker and the desk disagree. Needs --reason;\n"
        "        live accounts need --person too, whose one-time code it asks for.\n"
        "status  How the switch stands, and the strictest state that rules the scope.\n\n"
        "Exit codes\n"
        "0  done; for status: trading is on\n"
        "1  not done, not flat; for status: trading is not, or not fully, on\n"
        "2  wrong use, or no such scope"
    )
    requires_system_checks = ()

    def create_parser(self, *names: Any, **kwargs: Any) -> Any:
        return with_examples(
            super().create_parser(*names, **kwargs),
            'manage.py kill_switch on --reason "odd fills"                  nothing leaves any more',
            "manage.py kill_switch on --mode reduce --scope bot:mes-paper   exits of one bot go on",
            "manage.py kill_switch on --mode flatten                        halt, then close everything",
            'manage.py kill_switch off --reason "broker is back"            trading goes on',
            "manage.py kill_switch status --json",
        )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("act", choices=["on", "off", "status"])
        parser.add_argument("--scope", default="all", help="all, account:NAME or bot:SLUG (default: all)")
        parser.add_argument(
            "--mode",
            choices=list(MODE_WORDS),
            default="halt",
            help="halt: nothing leaves. reduce: only toward flat. flatten: halt, close all (default: halt)",
        )
        parser.add_argument("--reason", default="", help="for the audit trail; required for off")
        parser.add_argument(
            "--person", default="", help="off, live accounts: whose one-time code follows on the terminal"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        acts = {"on": self._on, "off": self._off, "status": self._status}
        try:
            acts[options["act"]](options)
        except UnknownScope as error:
            raise console.unknown_scope(error) from None
        except DatabaseError as error:
            raise CommandError(
                f"The database does not answer. Nothing is sent while it is out. {error}"
            ) from None

    def _on(self, options: dict[str, Any]) -> None:
        desk, scope, by = wiring.desk(), options["scope"], console.os_user()
        reason = options["reason"][: console.LONGEST_REASON]
        mode = MODE_WORDS[options["mode"]]
        switch = kill_switch.engage(desk, scope=scope, mode=mode, reason=reason, by=by)
        answer = switch_json(switch)
        if options["mode"] == "flatten":
            if not options["json"]:
                self._print(answer)
            flattened = flattened_json(flatten(desk, scope=scope, reason=reason, by=by))
            answer = switch_json(switch) | flattened
        if options["json"]:
            console.print_json(self.stdout, answer)
        elif "flat" in answer:
            console.print_flattened(self.stdout, answer)
        else:
            self._print(answer)
        if not answer.get("flat", True):
            console.leave(console.NOT_DONE)

    def _off(self, options: dict[str, Any]) -> None:
        reason = options["reason"].strip()[: console.LONGEST_REASON]
        if not reason:
            raise CommandError('Say why trading may go on: --reason "…"', returncode=console.WRONG_USE)
        try:
            switch = kill_switch.release(
                wiring.desk(),
                scope=options["scope"],
                reason=reason,
                by=console.os_user(),
                code=_code_of(options["person"]),
            )
        except kill_switch.NotClean as found:
            self._print_not_clean(found, as_json=options["json"])
            console.leave(console.NOT_DONE)
        except kill_switch.LiveLocked:
            raise CommandError(LIVE_LOCKED) from None
        except kill_switch.NotCompared as error:
            raise CommandError(
                f"The broker could not be asked, so trading stays off: {error}\nLook with: manage.py doctor"
            ) from None
        answer = switch_json(switch)
        if options["json"]:
            console.print_json(self.stdout, answer)
        else:
            self._print(answer)

    def _status(self, options: dict[str, Any]) -> None:
        answer = switch_json(kill_switch.status(options["scope"]))
        if options["json"]:
            console.print_json(self.stdout, answer)
        else:
            self._print(answer)
        if answer["trading_state"] != TradingMode.ACTIVE:
            console.leave(console.NOT_DONE)

    def _print(self, answer: dict[str, Any]) -> None:
        state = TradingMode(answer["trading_state"])
        self.stdout.write(f"{answer['scope']}: {state.label} ({state.value})")
        if answer["since"]:
            switch = f"engaged, mode {answer['mode']}" if answer["engaged"] else "released"
            why = f": {answer['reason']}" if answer["reason"] else ""
            self.stdout.write(f"Switch of this scope {switch} by {answer['by']} at {answer['since']}{why}")
        if state is not TradingMode.ACTIVE and not answer["engaged"]:
            self.stdout.write("A wider switch is engaged; see --scope all or the account's.")
        for within in answer["within"]:
            mode = TradingMode(within["trading_state"])
            self.stdout.write(f"Within it, {within['scope']} is on its own: {mode.label} ({mode.value})")
        for wish in answer["flattening"]:
            console.print_flattening(self.stdout, wish)
        if answer["in_flight"]:
            self.stdout.write(
                f"{answer['in_flight']} orders had left before and have no outcome yet: manage.py recover"
            )

    def _print_not_clean(self, found: kill_switch.NotClean, *, as_json: bool) -> None:
        listed = [incident_json(incident) for incident in found.incidents]
        if as_json:
            answer = {"code": "NOT_CLEAN", "differences": found.differences, "incidents": listed}
            console.print_json(self.stdout, answer)
            return
        self.stdout.write(f"{found} Trading stays off.")
        if found.differences:
            console.print_differences(self.stdout, found.differences)
        for incident in listed:
            self.stdout.write(f"{incident['description']}: {incident['subject']}. {incident['remedy']}")


def _code_of(name: str) -> VerifiedCode | None:
    """Return the proof of a code that is asked for, of a person who may release in the panel, too."""
    if not name:
        return None
    person = User.objects.filter(username=name, is_active=True).first()
    if person is None or not person.has_perm(MAY_RELEASE):
        raise CommandError(f"{name} may not release trading.", returncode=console.WRONG_USE)
    given = getpass(f"One-time code of {name}: ")
    return second_factor.check(person, given, wiring.desk().now())
