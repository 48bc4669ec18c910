from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tradedesk.admin import sidebar


def page(request: HttpRequest) -> HttpResponse:
    """Find pages by name. Unfold's own search keeps what it found in Redis, which may be away."""
    term = request.GET.get("s", "").strip().lower()
    found = [
        {"title": item["title"], "description": group["title"] or "TradeDesk", "link": item["link"]}
        for group in sidebar.navigation(request)
        for item in group["items"]
        if term and term in item["title"].lower()
    ]
    pages = Paginator(found, max(1, len(found)))
    context = {"search_term": term, "page_obj": pages, "results": pages.page(1), "page_counter": 0}
    response = render(request, "unfold/helpers/command_results.html", {**context, "execution_time": 0})
    response["HX-Trigger"] = "search"
    return response
