"""The routes under /auth, and the bearer check that guards everything else."""

from aiohttp import web
from aiohttp.typedefs import Handler

from broker.paper.sessions import AccessError, Session
from broker.paper.web import SESSION, SESSIONS, read_body, reply, session_of
from broker.paper.wire import Json, iso

LOGIN_PATH = "/v1/auth/accesstokenrequest"
WRONG_LOGIN = "Incorrect username or password. Please try again, noting that passwords are case-sensitive."

routes = web.RouteTableDef()


@web.middleware
async def require_token(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 401 unless the request carries a living token; logging in needs none, nor does a wrong path."""
    if request.path != LOGIN_PATH and request.match_info.http_exception is None:
        try:
            request[SESSION] = request.app[SESSIONS].check(request.headers.get("Authorization", ""))
        except AccessError as error:
            raise web.HTTPUnauthorized(text=str(error)) from None
    return await handler(request)


@routes.post(LOGIN_PATH)
async def request_token(request: web.Request) -> web.Response:
    """Log in. A refused login is a 200 with `errorText`."""
    body = await read_body(request)
    name, password = body.get("name"), body.get("password")
    if not isinstance(name, str) or not isinstance(password, str):
        return reply({"errorText": WRONG_LOGIN})
    session = request.app[SESSIONS].login(name, password)
    return reply(_token_reply(session) if session else {"errorText": WRONG_LOGIN})


@routes.route("*", "/v1/auth/renewaccesstoken")
async def renew_token(request: web.Request) -> web.Response:
    """Exchange a living token for a new one."""
    return reply(_token_reply(request.app[SESSIONS].renew(session_of(request))))


@routes.route("*", "/v1/auth/me")
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
