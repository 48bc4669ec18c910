from typing import Any

import structlog
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError

from tradedesk import wiring
from tradedesk.services.alerts.callers import address_of
from tradedesk.services.people import logins

log = structlog.get_logger(__name__)

TOO_MANY = (
    "Too many tries. Wait a quarter of an hour. Whoever is signed in still may halt; "
    "so does kill_switch on, on the desk's machine."
)


class LoginForm(AdminAuthenticationForm):
    """Looks at a password only while there were few wrong ones. Who is signed in already never meets it."""

    def clean(self) -> dict[str, Any]:
        now = wiring.desk().now()
        name = self.cleaned_data.get("username", "")
        address = address_of(self.request) if self.request else ""
        if not logins.may_try(name, address, now):
            log.warning("login.too_many_tries", address=address)
            raise ValidationError(TOO_MANY, code="too_many_tries")
        cleaned = super().clean()
        logins.forget_tries(name, address, now)
        return cleaned
