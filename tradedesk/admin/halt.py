import structlog
from django.contrib.auth.views import redirect_to_login
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache

from tradedesk import wiring
from tradedesk.admin.header import ALL
from tradedesk.admin.kill_switch import Ask, halt, state_unknown
from tradedesk.models import FlattenWish
from tradedesk.services.alerts.callers import address_of
from tradedesk.services.halting import kill_switch
from tradedesk.services.halting.scopes import UnknownScope, stopped_within

log = structlog.get_logger(__name__)


@never_cache
def emergency(request: HttpRequest) -> HttpResponse:
    """Show the switch without theme or script; on POST halt everything.

    When the database does not answer nobody's login can be checked and no state be read: the page says so,
    and a desk without its database sends nothing.
    """
    try:
        if not (request.user.is_active and request.user.is_staff):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if request.method == "POST":
            reason = request.POST.get("reason", "")[:500] or "Halt button of the emergency page"
            halt(request, Ask(ALL, reason, request.user.get_username(), address_of(request)))
            return HttpResponseRedirect(reverse("halt"), status=303)
        context = {
            "switch": kill_switch.status(ALL),
            "stopped": stopped_within(ALL),
            "flattening": FlattenWish.objects.filter(ended_at=None),
            "now": wiring.desk().now(),
        }
        return render(request, "halt.html", context)
    except (DatabaseError, UnknownScope) as error:
        log.exception("halt.state_unknown", error=type(error).__name__)
        return state_unknown(request)
