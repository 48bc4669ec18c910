from decimal import Decimal

from strategy.gate.facts import Facts, Figure, Limit, Usage

# Whether the rule lets the order pass, None where what it looks at could not be read; and the figures.
type Verdict = tuple[bool | None, str]


def mode(facts: Facts) -> Verdict:
    """Pass while trading is not halted."""
    return facts.mode in {"ACTIVE", "REDUCING"}, f"trading state {facts.mode or 'unreadable'}"


def free_to_open(facts: Facts) -> Verdict:
    """Pass while trading is on without restriction."""
    return facts.mode == "ACTIVE", f"trading state {facts.mode or 'unreadable'}"


def enabled(facts: Facts) -> Verdict:
    """Pass while bot and account are switched on."""
    return facts.enabled, f"enabled {facts.enabled}"


def armed(facts: Facts) -> Verdict:
    """Pass when a person armed the account, or it is not live."""
    return facts.armed, f"armed {facts.armed}"


def position_read(facts: Facts) -> Verdict:
    """Pass when the broker told the position."""
    return None if facts.held is None else True, f"broker holds {facts.held}"


def reconciled(facts: Facts) -> Verdict:
    """Pass when the account was reconciled since the start."""
    return facts.reconciled, f"reconciled {facts.reconciled}"


def nothing_unfinished(facts: Facts) -> Verdict:
    """Pass when every earlier order of the bot has its end."""
    figures = f"unfinished opening {facts.unfinished_opening}, closing {facts.unfinished_closing}"
    return _neither(facts.unfinished_opening, facts.unfinished_closing), figures


def no_closing_unfinished(facts: Facts) -> Verdict:
    """Pass when every earlier closing has its end."""
    return _neither(facts.unfinished_closing), f"unfinished closing {facts.unfinished_closing}"


def position_agrees(facts: Facts) -> Verdict:
    """Pass when the broker holds what is booked, and no incident says otherwise."""
    figures = f"broker holds {facts.held}, booked {facts.booked}, incident open {facts.mismatch_open}"
    if facts.held is None or facts.booked is None or facts.months_agree is None:
        return None, figures
    if facts.held == facts.booked and not facts.months_agree:
        return False, f"{figures}, not in the same months"
    return _neither(facts.held != facts.booked, facts.mismatch_open), figures


def unambiguous(facts: Facts) -> Verdict:
    """Pass when no two events contradict each other."""
    return _neither(facts.ambiguity_open), f"incident open {facts.ambiguity_open}"


def real_time(facts: Facts) -> Verdict:
    """Pass when the chart shows prices without delay."""
    return _neither(facts.delayed), f"delayed {facts.delayed}"


def young(facts: Facts) -> Verdict:
    """Pass while the event is young enough."""
    figures = f"{facts.age_s} s old, at most {facts.max_age_s:g} s"
    if facts.max_age_s == 0:
        return True, figures
    return None if facts.age_s is None else facts.age_s <= facts.max_age_s, figures


def clock_agrees(facts: Facts) -> Verdict:
    """Pass while the broker's clock and ours agree."""
    most, found = facts.clock.most, facts.clock.found
    if most is None:
        return True, "off"
    if found is None:
        return None, f"unreadable, at most {most:g} s"
    return found <= most, f"{found:g} s off, at most {most:g} s"


def alerts_alive(facts: Facts) -> Verdict:
    """Pass while the chart's heartbeats come."""
    return facts.alerts_alive, f"heartbeats come {facts.alerts_alive}"


def statement_agrees(facts: Facts) -> Verdict:
    """Pass while no daily statement differs from the broker's list without a person's word."""
    return facts.statement_agrees, f"statement agrees {facts.statement_agrees}"


def versions_agree(facts: Facts) -> Verdict:
    """Pass while all processes of the desk run the same code and settings."""
    return facts.versions_agree, f"versions agree {facts.versions_agree}"


def before_flat_by(facts: Facts) -> Verdict:
    """Pass until shortly before the time by which the account is to be flat."""
    return facts.before_flat_by, f"before flat-by time {facts.before_flat_by}"


def calendar_confirmed(facts: Facts) -> Verdict:
    """Pass while a person has confirmed the days ahead."""
    return facts.calendar_confirmed, f"calendar confirmed {facts.calendar_confirmed}"


def session_open(facts: Facts) -> Verdict:
    """Pass while the market is open."""
    return facts.session_open, f"session open {facts.session_open}"


def contract_confirmed(facts: Facts) -> Verdict:
    """Pass when the broker's terms are those that the desk reckons with."""
    return facts.contract_confirmed, f"terms confirmed {facts.contract_confirmed}"


def contract_is_front(facts: Facts) -> Verdict:
    """Pass when nothing is held in another month."""
    return facts.contract_is_front, f"front month {facts.contract_is_front}"


def before_cutoff(facts: Facts) -> Verdict:
    """Pass while first notice and expiry are far enough away."""
    return facts.before_cutoff, f"before cut-off {facts.before_cutoff}"


def contract_matches_chart(facts: Facts) -> Verdict:
    """Pass when the chart names no other contract."""
    return facts.contract_matches_chart, f"chart agrees {facts.contract_matches_chart}"


def stop_priced(facts: Facts) -> Verdict:
    """Pass when the stop has a price, or none goes along."""
    return facts.has_stop_price, f"stop priced {facts.has_stop_price}"


def risk_allows(facts: Facts) -> Verdict:
    """Pass when the risk per opening buys a contract at least, or does not rule the size."""
    if facts.size is None:
        return None, "value of the account unreadable"
    return facts.size >= 1, f"an opening of {facts.size}"


def order_size(facts: Facts) -> Verdict:
    """Pass an order of at least one contract, at most what is held and a size."""
    if facts.held is None or facts.size is None:
        return None, f"order {facts.order:+d}, broker holds {facts.held}, size {facts.size}"
    most = abs(facts.held) + facts.size
    return 1 <= abs(facts.order) <= most, f"order {facts.order:+d}, at most {most}"


def within_limit(facts: Facts) -> Verdict:
    """Pass when the bot stays within its largest position."""
    if facts.after is None:
        return None, f"position unreadable, at most {facts.limit}"
    after = abs(facts.after)
    return after <= facts.limit, f"position would be {after}, at most {facts.limit}"


def within_account(facts: Facts) -> Verdict:
    """Pass when the account stays within its cap."""
    cap, elsewhere = facts.exposure.account_cap, facts.exposure.elsewhere
    if cap is None:
        return True, "off"
    if facts.after is None or elsewhere is None:
        return None, f"unreadable, at most {cap}"
    total = abs(facts.after) + elsewhere
    return total <= cap, f"account would hold {total}, at most {cap}"


def within_group(facts: Facts) -> Verdict:
    """Pass when roots that move together stay within their cap."""
    cap, others = facts.exposure.group_cap, facts.exposure.in_group
    if cap is None:
        return True, "off"
    if facts.after is None or others is None:
        return None, f"unreadable, at most {cap} micros"
    total = max(abs(facts.after * facts.exposure.weight + micros) for micros in others)
    return total <= cap, f"group would hold {total}, at most {cap} micros"


def toward_flat(facts: Facts) -> Verdict:
    """Pass an order that leaves less than is held, and nothing on the other side."""
    if facts.held is None:
        return None, f"order {facts.order:+d}, broker holds None"
    passes = facts.order * facts.held < 0 and abs(facts.order) <= abs(facts.held)
    return passes, f"order {facts.order:+d}, broker holds {facts.held:+d}"


def few_orders(facts: Facts) -> Verdict:
    """Pass while orders per minute, day and session are left."""
    parts = {
        f"{owner} {period}": limit
        for owner, used in _owners(facts)
        for period, limit in (("minute", used.minute), ("day", used.day), ("session", used.session))
    }
    return _all_have_room(parts)


def small_loss(facts: Facts) -> Verdict:
    """Pass while the session's loss is below its limit; live needs one."""
    if facts.is_live is not False and facts.account.loss.is_off:
        return False, "no daily loss set for the account, and live needs one"
    return _all_have_room({owner: used.loss for owner, used in _owners(facts)})


def small_drawdown(facts: Facts) -> Verdict:
    """Pass while the account is not far below its highest value; live needs a limit."""
    if facts.is_live is not False and facts.drawdown.is_off:
        return False, "no drawdown set for the account, and live needs one"
    return _all_have_room({"account": facts.drawdown})


def few_losers(facts: Facts) -> Verdict:
    """Pass while the losing streak is shorter than its limit."""
    return _all_have_room({owner: used.losers for owner, used in _owners(facts)})


def few_trades(facts: Facts) -> Verdict:
    """Pass while trades of the session are left."""
    return _all_have_room({owner: used.trades for owner, used in _owners(facts)})


def enough_margin(facts: Facts) -> Verdict:
    """Pass when the margin available is a multiple of what the new position takes."""
    margin, held, after = facts.margin, facts.held, facts.after
    value, used, each = margin.net_liquidation, margin.used, margin.per_contract
    if margin.factor is None:
        return True, "off"
    if held is None or after is None or value is None or used is None or each is None:
        figures = {"net liquidation": value, "margin used": used, "margin per contract": each}
        missing = [name for name, figure in figures.items() if figure is None]
        return None, f"unreadable: {', '.join(missing) or 'position'}"
    # What the position ties up is free again for the one that takes its place.
    available = value - used + min(used, abs(held) * each)
    needed = margin.factor * abs(after) * each
    return available >= needed, f"available {_short(available)}, needed {_short(needed)}"


def price_sane(facts: Facts) -> Verdict:
    """Pass one contract on live, any number elsewhere: there is no quote feed to compare prices with."""
    if facts.is_live is None or facts.after is None:
        return None, "off: no quote feed"
    if not facts.is_live:
        return True, "off: no quote feed"
    return abs(facts.after) <= 1, f"no quote feed: at most 1 on live, would be {abs(facts.after)}"


def _neither(*found: bool | None) -> bool | None:
    """Return True when all are known to be false, False when one is true, None when one is not known."""
    if any(found):
        return False
    return None if None in found else True


def _owners(facts: Facts) -> tuple[tuple[str, Usage], tuple[str, Usage]]:
    return ("bot", facts.bot), ("account", facts.account)


def _all_have_room(parts: dict[str, Limit]) -> Verdict:
    on = {name: limit for name, limit in parts.items() if not limit.is_off}
    if not on:
        return True, "off"
    figures = ", ".join(
        f"{name} {'unreadable' if limit.found is None else _short(limit.found)} of {_short(limit.most)}"
        for name, limit in on.items()
    )
    verdicts = [limit.has_room for limit in on.values()]
    return _neither(*(None if has_room is None else not has_room for has_room in verdicts)), figures


def _short(figure: Figure | None) -> str:
    return f"{figure:.2f}" if isinstance(figure, Decimal) else f"{figure}"
