"""Database, Redis and broker stop, hang and come back under a whole desk: it answers in time and goes on."""

from collections.abc import Callable
from functools import partial

from tests.flows.desks import Answer, Bot, at_once
from tests.flows.servers import hanging, stopped
from tests.rounds.wholes import Whole
from tests.waiting import until

# The promise is 2.5 s; what the test's own connection takes comes on top.
ANSWER_WITHIN_S = 2.6
BACK_WITHIN_S = 30.0
ENTERED, EXITED = ("ENTER_LONG", "TREND_BLUE", "filled"), ("EXIT", "DI_DOWN", "filled")
UNAVAILABLE = {(503, "unavailable")}


def test_stopped_database_is_503_and_sends_nothing_until_it_is_back(whole: Whole) -> None:
    desk, bots = whole.desk, whole.desk.bots(2)
    before = desk.broker.client_order_ids()

    with stopped(whole.postgres):
        refused = send_to_both(whole, bots, "blue", "10:10")
        ready, lives = desk.ask("/readyz"), desk.ask("/healthz")
        assert desk.broker.client_order_ids() == before

    whole.postgres.wait_until_ready()
    assert words(refused) == UNAVAILABLE
    assert slowest(refused) < ANSWER_WITHIN_S
    assert (ready.status, ready.body["checks"]["database"]["ok"], lives.status) == (503, False, 200)
    assert summaries(send_to_both(whole, bots, "blue", "10:10")) == {ENTERED}
    assert_all_is_well_again(whole)


def test_hanging_database_is_503_in_time_and_sends_nothing(whole: Whole) -> None:
    desk, bots = whole.desk, whole.desk.bots(2)

    with hanging(whole.postgres.pids()):
        refused = send_to_both(whole, bots, "blue", "10:10")
        ready = desk.ask("/readyz")

    assert words(refused) == UNAVAILABLE
    assert slowest(refused) < ANSWER_WITHIN_S
    assert (ready.status, ready.body["checks"]["database"]["ok"]) == (503, False)
    assert [desk.held(bot) for bot in bots] == [0] * 2
    assert summaries(send_to_both(whole, bots, "blue", "10:10")) == {ENTERED}
    assert_all_is_well_again(whole)


def test_stopped_redis_costs_nothing_but_time_and_has_the_bots_again(whole: Whole) -> None:
    bots = whole.desk.bots(2)
    with stopped(whole.redis):
        entered = send_to_both(whole, bots, "blue", "10:10")
        ready = whole.desk.ask("/readyz")

    assert summaries(entered) == {ENTERED}
    assert slowest(entered) < ANSWER_WITHIN_S
    assert [name for name, part in ready.body["checks"].items() if not part["ok"]] == ["redis"]
    assert_all_is_well_again(whole)
    assert summaries(send_to_both(whole, bots, "down", "10:30")) == {EXITED}
    # The other web server may leave Redis alone for two seconds yet.
    assert whole.desk.in_redis(bots[0])["quantity"] == 0


def test_hanging_redis_costs_nothing_but_time(whole: Whole) -> None:
    bots = whole.desk.bots(2)

    with hanging([whole.redis.process.pid]):
        entered = send_to_both(whole, bots, "blue", "10:10")

    assert summaries(entered) == {ENTERED}
    assert slowest(entered) < ANSWER_WITHIN_S
    assert_all_is_well_again(whole)


def test_redis_that_vanished_costs_nothing_but_time(whole: Whole) -> None:
    bots = whole.desk.bots(2)

    whole.redis_relay.vanish()
    entered = send_to_both(whole, bots, "blue", "10:10")

    assert summaries(entered) == {ENTERED}
    assert slowest(entered) < ANSWER_WITHIN_S
    done = whole.tasks_done()
    # One may have been at work.
    until(lambda: whole.tasks_done() > done + 1, BACK_WITHIN_S, "a task given by beat since then")
    assert_all_is_well_again(whole)


def test_flushed_redis_amid_alerts_changes_nothing(whole: Whole) -> None:
    desk, bots = whole.desk, whole.desk.bots(2)

    for word, closes_at in (("blue", "10:10"), ("down", "10:30"), ("up", "10:45")):
        calls: list[Callable[[], object]] = [*sends(whole, bots, word, closes_at), whole.redis.flush]
        at_once(calls)

    entered_again = [("ENTER_LONG", "TREND_BLUE"), ("EXIT", "DI_DOWN"), ("REENTER_LONG", "DI_UP")]
    assert [desk.decisions(bot) for bot in bots] == [entered_again] * 2
    assert [desk.booked(bot) for bot in bots] == [desk.held(bot) for bot in bots] == [1] * 2


def test_hanging_broker_is_answered_in_time_and_the_next_color_trades(whole: Whole) -> None:
    bots = whole.desk.bots(2)

    with hanging([whole.desk.broker.process.pid]):
        answers = send_to_both(whole, bots, "blue", "10:10")

    assert summaries(answers) == {("NONE", "BROKER_UNREACHABLE", None)}
    assert slowest(answers) < ANSWER_WITHIN_S
    until(lambda: whole.desk.ask("/readyz").status == 200, BACK_WITHIN_S, "a desk that is ready")
    assert summaries(send_to_both(whole, bots, "red", "10:20")) == {("ENTER_SHORT", "TREND_RED", "filled")}


def sends(whole: Whole, bots: list[Bot], word: str, closes_at: str) -> list[Callable[[], Answer]]:
    """Return what sends an alert for each bot, to the web servers in turn."""
    return [partial(whole.desk.send, bot, word, closes_at, web=n % 2) for n, bot in enumerate(bots)]


def send_to_both(whole: Whole, bots: list[Bot], word: str, closes_at: str) -> list[Answer]:
    return at_once(sends(whole, bots, word, closes_at))


def words(answers: list[Answer]) -> set[tuple[int, str]]:
    return {(answer.status, answer.body["status"]) for answer in answers}


def summaries(answers: list[Answer]) -> set[tuple[str, str, str | None]]:
    assert words(answers) == {(200, "processed")}
    return {answer.summary for answer in answers}


def slowest(answers: list[Answer]) -> float:
    return max(answer.seconds for answer in answers)


def assert_all_is_well_again(whole: Whole) -> None:
    """Wait until every part is ready and the worker has done what beat gave it, nobody having helped."""
    assert whole.ended() == []
    done = whole.tasks_done()
    until(lambda: whole.tasks_done() > done, BACK_WITHIN_S, "a task that the worker has done")
    until(lambda: whole.desk.ask("/readyz").status == 200, BACK_WITHIN_S, "a desk that is ready")
