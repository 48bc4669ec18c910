"""Plays stories: `python -m tests.simulation --seeds 2000`, or one again, with its course: `--seed 7`."""

import argparse
import json
import os
import sys
import time

ENVIRONMENT = {
    "DATABASE_URL": "sqlite://:memory:",
    # Nobody listens there: a story brings a Redis of its own.
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "SECRET_KEY": "simulation",
    "DESK_LOCAL": "true",
    "LOG_LEVEL": "CRITICAL",
    "DJANGO_SETTINGS_MODULE": "tradedesk.settings",
    # Sets are in the same order each time, and so is all that follows from it.
    "PYTHONHASHSEED": "0",
}


def main() -> int:
    """Play the stories asked for, and return 1 if a law was broken in any of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many stories, from seed --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, help="play this one and print its course")
    options = parser.parse_args()
    _set_up()
    if options.seed is not None:
        return _play_one(options.seed)
    return _play_many(range(options.first, options.first + options.seeds))


def _set_up() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from tests.simulation import template

    call_command("migrate", verbosity=0)
    template.build()


def _play_one(seed: int) -> int:
    from tests.simulation.playing import play

    played, course = play(seed)
    print("\n".join([*course, *played.broken.values()]))
    return 1 if played.broken else 0


def _play_many(seeds: range) -> int:
    from tests.simulation.playing import Played, play_all

    began, total = time.perf_counter(), Played()
    for part in play_all(seeds):
        total.add(part)
        for seed, text in part.broken.items():
            print(f"{text}\n  play it again with: make soak SEED={seed}\n", flush=True)
    seconds = time.perf_counter() - began
    print(f"{total.stories} stories in {seconds:.0f} s, {len(total.broken)} with a broken law")
    print(json.dumps(vars(total)))
    return 1 if total.broken else 0


if __name__ == "__main__":
    wanted = os.environ | ENVIRONMENT
    if wanted != os.environ:
        # Some of it is read when Python starts.
        os.execve(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]], wanted)
    sys.exit(main())
