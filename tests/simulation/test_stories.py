import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation import template
from tests.simulation.playing import play
from tests.simulation.points import FAULTS, POINTS

ROOT = Path(__file__).parents[2]


def test_two_thousand_stories_break_no_law_and_processes_die_at_every_point() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seeds", "2000"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-8000:]
    played = json.loads(done.stdout.splitlines()[-1])
    assert played["stories"] == 2000
    assert set(POINTS) - played["killed"].keys() == set()
    assert FAULTS - played["happened"].keys() == set()


@pytest.mark.django_db(transaction=True)
def test_stories_on_postgresql_break_no_law() -> None:
    template.build()

    broken = [text for seed in range(20) for text in play(seed)[0].broken.values()]

    assert broken == []


@pytest.mark.django_db(transaction=True)
def test_story_played_again_takes_the_same_course() -> None:
    template.build()
    courses = {seed: play(seed)[1] for seed in range(3)}

    again = {seed: play(seed)[1] for seed in reversed(range(3))}

    assert again == courses
    assert all(courses.values())
