from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from tradedesk.admin import frame
from tradedesk.admin.cells import url_of
from tradedesk.models import Strategy
from tradedesk.selectors.checklist import Progress, progress

ADD = "admin:tradedesk_{}_add"
LIST = "admin:tradedesk_{}_changelist"


@dataclass(frozen=True)
class Step:
    """One step: what it is, why, whether it is done, and where it is done."""

    number: int
    title: str
    text: str
    link: str
    link_text: str
    is_done: bool


def page(request: HttpRequest) -> HttpResponse:
    """Show the way from an empty desk to the first trade."""
    return frame.show(request, "setup", "Checklist", checklist_of(progress()))


def checklist_of(found: Progress) -> dict[str, object]:
    """Return the steps as the page and the empty overview show them."""
    words = _words(found.strategy)
    steps = [Step(number, *words[name], is_done) for number, (name, is_done) in enumerate(found.done, 1)]
    return {
        "steps": steps,
        "progress": found,
        "percent": round(100 * found.count / len(steps)),
        "next_step": next((step for step in steps if not step.is_done), None),
    }


def _words(strategy: Strategy | None) -> dict[str, tuple[str, str, str, str]]:
    """Return title, text, address and name of the link of each step."""
    strategies = reverse(LIST.format("strategy"))
    own = url_of(strategy) if strategy else strategies
    trial = reverse("try_alert", args=[strategy.pk]) if strategy else strategies
    return {
        "person": (
            "A person who may do everything",
            "Somebody in the group admin, with a password of their own.",
            reverse("admin:auth_user_changelist"),
            "People",
        ),
        "account": (
            "Choose an account",
            "Paper needs nothing but a name. Demo and live name the environment variables with the login.",
            reverse(ADD.format("account")),
            "Add an account",
        ),
        "broker": (
            "Reach the broker",
            "Login and account were found, and positions compared once.",
            reverse("connections"),
            "Connections",
        ),
        "strategy": (
            "Name the symbol and the charts",
            "A strategy is one stream of alerts: the symbol, the timeframes of trend and DI.",
            reverse(ADD.format("strategy")),
            "Add a strategy",
        ),
        "bot": (
            "Put the strategy on the account",
            "A bot is one strategy on one account, with its size.",
            reverse(ADD.format("bot")),
            "Add a bot",
        ),
        "limits": (
            "Set limits",
            "At least the largest loss, the largest fall or the most contracts of an account.",
            reverse("limits"),
            "Risk limits",
        ),
        "token": (
            "Copy the webhook address",
            "Make a token: the address is shown once. Paste it into each alert of TradingView.",
            f"{own}#alerts",
            "Webhook tokens",
        ),
        "heartbeat": (
            "Receive a heartbeat",
            "The alert that fires each bar: it shows that TradingView reaches this desk.",
            f"{own}#alerts",
            "Messages to paste",
        ),
        "alert": (
            "Send a test alert",
            "Through the same way as TradingView's on paper; elsewhere a dry-run that sends nothing.",
            trial,
            "Send a test alert…",
        ),
        "fill": (
            "See the first fill",
            "On paper or demo, before any real money.",
            reverse(LIST.format("fill")),
            "Fills",
        ),
        "halt": (
            "Try the kill switch",
            "Press Halt trading once, see that nothing leaves, and release it again.",
            reverse("kill_switch"),
            "Kill switch",
        ),
    }
