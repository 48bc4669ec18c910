"""Where processes die, by what they do, and what else goes wrong. Each is proven to happen."""

_COMMON = ("before Redis", "before broker asked", "after broker asked")


def _around(*events: str) -> list[str]:
    return [f"{when} {event}" for event in events for when in ("before", "after")]


_OF_ACTIVITIES = {
    "alert": [
        *_COMMON,
        *_around("alert stored", "decision stored", "order claimed", "order sent", "order updated"),
    ],
    "recover": [*_COMMON, *_around("decision stored", "order claimed", "order sent", "order updated")],
    "reconcile": [*_COMMON, *_around("account compared", "trading state set")],
    "flatten": [
        *_COMMON,
        *_around("bot changed", "order claimed", "order sent", "cancel sent", "order updated"),
    ],
    "follow": [*_COMMON, *_around("account compared", "order updated")],
    "switch on": _around("trading state set"),
    "switch off": [*_COMMON, *_around("account compared", "trading state set")],
    "resolve": _around("bot changed"),
}
POINTS = tuple(f"{activity}: {point}" for activity, points in _OF_ACTIVITIES.items() for point in points)
# Few stories come by these: more of them aim there.
RARE = (
    "recover: before decision stored",
    "recover: before order claimed",
    "recover: before order sent",
    "recover: after order sent",
    "reconcile: before trading state set",
    "reconcile: after trading state set",
    "flatten: before cancel sent",
    "flatten: after cancel sent",
    "flatten: before order sent",
    "flatten: after order claimed",
    "recover: after order claimed",
    "resolve: before bot changed",
    "resolve: after bot changed",
)
AIMS = (*POINTS, *RARE * 6)
# What else goes wrong, each at least once.
FAULTS = {
    "statement failed",
    "commit failed",
    "commit unanswered",
    "Redis unreached",
    "Redis unanswered",
    "not connected",
    "request lost",
    "answer lost",
    "failed before",
    "failed after",
    "unreadable",
    "penalty",
    "refused",
    "arrives late",
    "late reject",
    "held",
    "in parts",
}
