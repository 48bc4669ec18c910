"""A process of the desk that asks the broker with ten threads at once: `URL FOLDER`, then a line to start."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import django
from django.conf import settings


def main() -> None:
    """Print how many of ten threads got their accounts."""
    django.setup()
    from broker.tradovate.client import TradovateBroker
    from broker.tradovate.credentials import Credentials
    from tradedesk import wiring
    from tradedesk.stores.logins import SharedLogins

    settings.VAR_DIR = Path(sys.argv[2])
    broker = TradovateBroker(sys.argv[1], Credentials("ada", "pass"), SharedLogins(), now=wiring.now)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    with ThreadPoolExecutor(10) as pool:
        answers = [pool.submit(broker.accounts, timeout_s=20) for _ in range(10)]
    sys.stdout.write(f"{sum(answer.result() == [] for answer in answers)}\n")


if __name__ == "__main__":
    main()
