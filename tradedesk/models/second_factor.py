from typing import override

from django.utils.crypto import salted_hmac
from django_otp.plugins.otp_totp.models import TOTPDevice


class Authenticator(TOTPDevice):  # type: ignore[misc] # django-otp has no types
    """A person's authenticator app. Its secret is made of the row and SECRET_KEY: a row alone is none."""

    class Meta:
        proxy = True

    @property
    @override
    def bin_key(self) -> bytes:
        return salted_hmac("tradedesk.authenticator", self.key, algorithm="sha1").digest()
