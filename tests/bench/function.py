"""The packed function: how long a fresh process takes to its first trade, and a warm one to the next."""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench.times import summary, timed
from tests.flows.functions import HOST, Function, body_of, request
from tests.flows.packages import packaged, unpack
from tests.secrets_manager import secrets_manager

COLD_STARTS, PAIRS = 10, 15

type Start = Callable[[], Function]
type Body = Callable[[], dict[str, Any]]


def measure_function(
    path: str, next_body: Body, ask_broker: Callable[[], None], bare: Callable[[], None]
) -> dict[str, object]:
    """Return milliseconds of cold starts and of warm runs, these beside the broker alone and the floor."""
    with function_starter() as start:
        cold = []
        for number in range(COLD_STARTS):
            print(f"\rcold start {number + 1} of {COLD_STARTS}", end="", file=sys.stderr, flush=True)
            cold.append(cold_start(start, path, next_body))
        print(file=sys.stderr)
        function = start()
        acts = (lambda: trade(function, path, next_body), ask_broker, bare)
        windows = [[timed(act) for act in acts] for _ in range(PAIRS)]
        function.stop()
    warm, broker, floor = ([value for window in windows for value in window[part]] for part in range(3))
    return {
        "cold_start_ms": {"p50": round(median(wall for wall, _ in cold)), "of": COLD_STARTS},
        "cold_start_cpu_ms": round(median(cpu for _, cpu in cold)),
        "warm_ms": summary(warm),
        "warm_p50_beyond_broker_ms": round(median(warm) - median(broker), 2),
        "warm_p50_beyond_floor_ms": round(median(warm) - median(floor), 2),
    }


def cold_start(start: Start, path: str, next_body: Body) -> tuple[float, float]:
    """Return the milliseconds from the start of a process to its first trade, and those of the processor."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    function = start()
    trade(function, path, next_body)
    wall = time.perf_counter() - started
    function.stop()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall * 1000, (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def trade(function: Function, path: str, next_body: Body) -> None:
    answer = function.invoke(request("POST", path, next_body()))
    if json.loads(body_of(answer))["decisions"][0]["order"]["status"] != "filled":
        raise RuntimeError(f"an alert did not trade: {answer}")


@contextmanager
def function_starter() -> Iterator[Start]:
    """Yield what starts the packed function on the bench's database, Redis and broker."""
    kept = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")}
    with secrets_manager({**kept, "NOTIFY_URLS": ""}) as aws, TemporaryDirectory() as folder:
        task, runtime = unpack(packaged(), Path(folder))
        environ = {
            **aws.environ,
            "AWS_LAMBDA_FUNCTION_NAME": "bench",
            "INSTANTIATE_LAMBDA_HANDLER_ON_IMPORT": "1",
            "DESK_SECRET_ID": "bench",
            "ALLOWED_HOSTS": HOST,
            **{name: os.environ[name] for name in ("PAPER_BROKER_URL", "WEBHOOK_RATE_PER_MINUTE")},
        }
        yield lambda: Function(task, runtime, environ, Path(folder) / "function.log")
