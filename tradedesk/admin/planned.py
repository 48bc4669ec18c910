from django.http import HttpRequest, HttpResponse

from tradedesk.admin import frame


def page(request: HttpRequest, title: str) -> HttpResponse:
    """Show a page that has its place in the sidebar and nothing on it yet."""
    return frame.show(request, "planned", title, {})
