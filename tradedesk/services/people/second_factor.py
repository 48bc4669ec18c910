"""One-time codes: from a person's authenticator app, or from a list kept for the day it is lost."""

import secrets
from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.crypto import salted_hmac
from django_otp.plugins.otp_static.models import StaticDevice

from tradedesk.models import Authenticator
from tradedesk.services.people.audit import note

CODE_LASTS = timedelta(minutes=1)
BACKUP_CODES = 10
DIGITS = 6


@dataclass(frozen=True)
class VerifiedCode:
    """A person's one-time code, made by whoever checked it: the proof that live accounts ask for."""

    by: str
    verified_at: datetime

    def is_fresh(self, now: datetime) -> bool:
        return timedelta() <= now - self.verified_at <= CODE_LASTS


def authenticator_of(user: User) -> Authenticator | None:
    """Return the app that a person has set up, None where there is none yet."""
    app: Authenticator | None = Authenticator.objects.filter(user=user, confirmed=True).first()
    return app


def begin(user: User) -> Authenticator:
    """Return a new app of a person's, to be scanned; it counts once `confirm` saw its first code."""
    Authenticator.objects.filter(user=user, confirmed=False).delete()
    app: Authenticator = Authenticator.objects.create(user=user, name="authenticator", confirmed=False)
    return app


def secret_of(app: Authenticator) -> str:
    """Return the secret as a person types it into an app that cannot scan."""
    return b32encode(app.bin_key).decode()


@transaction.atomic
def confirm(user: User, code: str, *, source_address: str, now: datetime) -> list[str]:
    """Let the app count from now on and return backup codes, shown this once; none where the code is wrong.

    An app that counted before does not any more.
    """
    app = Authenticator.objects.select_for_update().filter(user=user, confirmed=False).first()
    if app is None or not app.verify_token(_bare(code)):
        return []
    Authenticator.objects.filter(user=user, confirmed=True).delete()
    Authenticator.objects.filter(pk=app.pk).update(confirmed=True)
    note(user.username, "second factor on", f"user {user}", {}, "", source_address, now)
    return _new_backup_codes(user)


@transaction.atomic
def check(user: User, code: str, now: datetime) -> VerifiedCode | None:
    """Return the proof of a code that is right; each is good once, and wrong ones make the next wait."""
    bare = _bare(code)
    if len(bare) == DIGITS and bare.isdigit():
        app = Authenticator.objects.select_for_update().filter(user=user, confirmed=True).first()
        is_right = app is not None and app.verify_token(bare)
    else:
        kept = StaticDevice.objects.select_for_update().filter(user=user).first()
        is_right = bool(bare) and kept is not None and kept.verify_token(_digest(bare))
    return VerifiedCode(user.username, now) if is_right else None


def backup_codes_left(user: User) -> int:
    """Return how many backup codes were not used yet."""
    kept = StaticDevice.objects.filter(user=user).first()
    return kept.token_set.count() if kept else 0


@transaction.atomic
def renew_backup_codes(user: User, *, source_address: str, now: datetime) -> list[str]:
    """Return new backup codes, shown this once; the old ones are void."""
    note(user.username, "new backup codes", f"user {user}", {}, "", source_address, now)
    return _new_backup_codes(user)


@transaction.atomic
def remove(user: User, *, by: str, reason: str, source_address: str, now: datetime) -> None:
    """Forget a person's app and backup codes: their codes are wrong from now on."""
    Authenticator.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()
    note(by, "second factor off", f"user {user}", {}, reason, source_address, now)


def _new_backup_codes(user: User) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    kept = StaticDevice.objects.create(user=user, name="backup codes")
    codes = [b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(BACKUP_CODES)]
    for code in codes:
        kept.token_set.create(token=_digest(code))
    return [f"{code[:8]}-{code[8:]}" for code in codes]


def _bare(code: str) -> str:
    return "".join(letter for letter in code if letter.isalnum()).lower()


def _digest(code: str) -> str:
    """Return what the row of a backup code holds, in the 16 characters that it has room for."""
    return salted_hmac("tradedesk.backup_code", code, algorithm="sha256").hexdigest()[:16]
