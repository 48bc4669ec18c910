import os
from typing import Any

from celery import Celery, signals
from django.conf import settings
from django.utils.module_loading import import_string

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradedesk.settings")

app = Celery("tradedesk")
app.config_from_object("django.conf:settings", namespace="CELERY")


@signals.import_modules.connect
def register_tasks(**_: Any) -> None:
    """Let a worker run what the schedule names: plain functions, which Lambda runs without Celery."""
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        app.task(import_string(str(entry["task"])))
