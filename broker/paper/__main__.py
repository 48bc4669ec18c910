"""Starts a paper broker: `python -m broker.paper --port 9100 --data var/paper.journal`."""

import argparse
import asyncio
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from broker.paper.journal import JournalDamagedError, JournalInUseError
from broker.paper.records.accounts import User
from broker.paper.scenarios.price_feed import BarsError
from broker.paper.server import Settings, make_app

HOST = "127.0.0.1"
LAST_PORT = 65_535
LONGEST_LATENCY_S = 60
HELP = """\
A practice broker that speaks Tradovate's protocol on this machine only, over HTTP and on the socket
ws://127.0.0.1:PORT/v1/websocket. No money, no market: it makes its own prices, fills a market order at once,
a tick off the last one, and keeps accounts PAPER-1 and PAPER-2 with 50,000 USD each."""
EXAMPLES = """\
example:
  python -m broker.paper --port 9100 --data var/paper.journal
  curl -s localhost:9100/v1/auth/accesstokenrequest -d '{"name": "paper", "password": "paper"}'
  curl -s "localhost:9100/v1/contract/suggest?t=MES" -H "Authorization: Bearer TOKEN"
  curl -s localhost:9100/v1/order/placeorder -H "Authorization: Bearer TOKEN" -H "X-Paper-Price: 6842.25" \\
    -d '{"accountId": 1100001, "symbol": "MESZ6", "action": "Buy", "orderQty": 1, "orderType": "Market"}'
  curl -s localhost:9100/v1/position/list -H "Authorization: Bearer TOKEN"
  curl -s localhost:9100/paper/prices -H "Authorization: Bearer TOKEN" -d '{"root": "MES", "price": 6850}'

scenarios, with --scenarios, from this machine, without a token:
  POST /paper/faults    {"on": "/order/placeorder", "kind": "penalty", "p-time": 15, "times": 1}
      on a path, or * for all: penalty (p-time, p-captcha), status and status_after (status, text),
          hang (when, seconds), drop (when, reset), garbage, violations, refuse (reason, text),
          unknown_word (field, word), extra_field (field, word); when is before or after
      on "socket": silent, close (code, text), reorder (seed), duplicate, miss, split, and the last two above
      for the next orders: {"kind": "fate", "hold": true}, or with reject [reason, text] or parts [1, 2]
  GET, DELETE /paper/faults     what nothing has met yet; forget it and let go on what hangs
  POST /paper/release   {"orderId": 1, "quantity": 1}       let a held or partly filled order go on
  POST /paper/tokens    {"expire": true} or {"revoke": true}
  POST /paper/sessions  {"pushedOutStatus": 408, "closesSocket": false, "strictCid": true}
  POST /paper/clock     {"advance_s": 4800}
  GET /paper/book, /paper/requests      every row; how many requests of each path have arrived

Delete the journal to start over with empty accounts."""


def port_number(text: str) -> int:
    """Return a port. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is no port: give 0 to {LAST_PORT}")
    return int(text)


def seconds(text: str) -> float:
    """Return a length of time. Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= LONGEST_LATENCY_S:
        raise argparse.ArgumentTypeError(f"{text} is no latency: give 0 to {LONGEST_LATENCY_S} seconds")
    return value


def bar_file(text: str) -> tuple[str, Path]:
    """Return a root and the file of its bars. Raises ArgumentTypeError."""
    root, _, path = text.partition("=")
    if not root or not path:
        raise argparse.ArgumentTypeError(f"{text} is not written like MES=bars.csv")
    return root, Path(path)


def parse_arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m broker.paper",
        description=HELP,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--port", type=port_number, default=9100, help="port on 127.0.0.1; 0 takes a free one (9100)"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("var/paper.journal"),
        help="file that remembers every order over restarts (var/paper.journal)",
    )
    parser.add_argument(
        "--latency",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="wait this long before answering an order, and as long again before filling it (0)",
    )
    parser.add_argument(
        "--seed", type=int, default=7, help="chooses the made-up prices; same seed, same prices (7)"
    )
    parser.add_argument(
        "--user",
        default=os.environ.get("PAPER_BROKER_USER", "paper"),
        help="login name (PAPER_BROKER_USER, else paper)",
    )
    parser.add_argument(
        "--password",
        default=os.environ.get("PAPER_BROKER_PASSWORD", "paper"),
        help="login password (PAPER_BROKER_PASSWORD, else paper)",
    )
    parser.add_argument(
        "--bars",
        type=bar_file,
        action="append",
        default=[],
        metavar="ROOT=FILE",
        help="move a product's price through the bars of a CSV file: time,open,high,low,close",
    )
    parser.add_argument(
        "--bar-seconds",
        type=seconds,
        default=1.0,
        metavar="SECONDS",
        help="play a bar in this time (1)",
    )
    parser.add_argument(
        "--walk",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="move the prices that are in use one step each so many seconds (off)",
    )
    parser.add_argument(
        "--sessions", action="store_true", help="keep the exchange's hours, which are off otherwise"
    )
    parser.add_argument(
        "--limits",
        action="store_true",
        help="keep Tradovate's limits on requests and logins, with penalties and lock-outs",
    )
    parser.add_argument(
        "--scenarios",
        action="store_true",
        help="for tests: let anyone on this machine set faults under /paper/, see below",
    )
    parser.add_argument(
        "--no-sync",
        action="store_true",
        help="for benchmarks: do not wait for the disk; a power cut may lose orders",
    )
    return parser.parse_args()


def read_clock() -> datetime:
    """Return the time now: the one clock of this process."""
    return datetime.fromtimestamp(time.time(), UTC)


async def serve(app: web.Application, port: int) -> None:
    """Serve until SIGTERM or SIGINT; say so in one line once requests are answered."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port, shutdown_timeout=1.0).start()
        sys.stdout.write(f"paper broker ready on http://{HOST}:{runner.addresses[0][1]}/v1\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> None:
    """Run a paper broker until it is told to stop."""
    arguments = parse_arguments()
    settings = Settings(
        data=arguments.data,
        user=User(arguments.user, arguments.password),
        seed=arguments.seed,
        latency_s=arguments.latency,
        sync=not arguments.no_sync,
        sessions=arguments.sessions,
        limits=arguments.limits,
        scenarios=arguments.scenarios,
        bars=dict(arguments.bars),
        bar_s=arguments.bar_seconds,
        walk_s=arguments.walk,
    )
    try:
        app = make_app(settings, read_clock)
        asyncio.run(serve(app, arguments.port))
    except (JournalInUseError, JournalDamagedError, BarsError, OSError) as error:
        sys.exit(f"paper broker: {error}")


if __name__ == "__main__":
    main()
