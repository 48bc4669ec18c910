"""The routes under /auth, and the bearer check that guards everything else."""

from aiohttp import web
from aiohttp.typedefs import Handler

from broker.paper.records.wire import Json, iso
from broker.paper.rest.sessions import AccessError, Session
from broker.paper.rest.web import (
    API,
    PREFIX,
    SCENARIOS,
    SESSION,
    SESSIONS,
    read_body,
    reply,
    reply_status,
    session_of,
)

LOGIN_PATH = f"{API}/auth/accesstokenrequest"
# The socket asks for its token itself.
OPEN_PATHS = frozenset({LOGIN_PATH, f"{API}/websocket", f"{API}/authorize"})
WRONG_LOGIN = "Incorrect username or password. Please try again, noting that passwords are case-sensitive."
WRONG_KEY = "The API key id must be a number."

routes = web.RouteTableDef()


@web.middleware
async def require_token(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 401 unless a request carries a living token, or came over a socket that is authorised.

    Logging in needs none, nor does a wrong path, nor do scenarios where they are on.
    """
    if (
        SESSION not in request
        and request.path not in OPEN_PATHS
        and request.match_info.http_exception is None
        and not (request.app[SCENARIOS] and request.path.startswith(f"{PREFIX}/"))
    ):
        try:
            request[SESSION] = request.app[SESSIONS].check(request.headers.get("Authorization", ""))
        except AccessError as error:
            return reply_status(error.status, error.text)
    return await handler(request)


@routes.route("*", LOGIN_PATH)
async def request_token(request: web.Request) -> web.Response:
    """Log in. A refused login is a 200 with `errorText`."""
    body = await read_body(request)
    name, password = body.get("name"), body.get("password")
    sessions = request.app[SESSIONS]
    if sessions.rules.strict_cid and isinstance(body.get("cid"), str):
        return reply({"errorText": WRONG_KEY})
    if not isinstance(name, str) or not isinstance(password, str):
        return reply({"errorText": WRONG_LOGIN})
    session = sessions.login(name, password)
    return reply(_token_reply(session) if session else {"errorText": WRONG_LOGIN})


@routes.route("*", f"{API}/auth/renewaccesstoken")
async def renew_token(request: web.Request) -> web.Response:
    """Exchange a living token for a new one."""
    try:
        return reply(_token_reply(request.app[SESSIONS].renew(session_of(request))))
    except AccessError as error:
        return reply_status(error.status, error.text)


@routes.route("*", f"{API}/auth/me")
async def show_user(request: web.Request) -> web.Response:
    """Say whose token this is."""
    user = session_of(request).user
    return reply(
        {
            "userId": user.id,
            "name": user.name,
            "fullName": user.name,
            "email": f"{user.name}@localhost",
            "emailVerified": True,
            "isTrial": True,
        }
    )


def _token_reply(session: Session) -> Json:
    return {
        "accessToken": session.token,
        "expirationTime": iso(session.expires_at),
        "userStatus": "Active",
        "userId": session.user.id,
        "name": session.user.name,
        "hasLive": False,
        "hasMarketData": False,
    }
