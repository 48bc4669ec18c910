from collections.abc import Callable

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext


def cost_of(client: Client, path: str, more: Callable[[], None]) -> int:
    """Return how many queries a page costs, session and person included, after `more` added rows to it.

    Fails where they cost a query: the page then asks for each row.
    """
    counts = []
    for _ in range(2):
        more()
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1], f"{path} costs {counts[0]} queries, {counts[1]} with more rows"
    return counts[1]
