import os
import threading

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradedesk.settings")

application = get_wsgi_application()

import tradedesk.admin.urls  # noqa: E402 - a server is complete when it takes the first request
import tradedesk.api.urls  # noqa: E402
import tradedesk.urls  # noqa: E402, F401
from tradedesk import wiring  # noqa: E402 - needs the applications loaded
from tradedesk.services.halting.versions import keep_signing  # noqa: E402
from tradedesk.services.reconciling.starting import settle_at_start  # noqa: E402

# Openings are denied until the accounts were reconciled since the start; do not wait for the worker.
threading.Thread(target=settle_at_start, args=[wiring.desk()], name="settle-at-start", daemon=True).start()
threading.Thread(
    target=keep_signing, args=[wiring.desk(), "web", threading.Event()], name="keep-signing", daemon=True
).start()
