"""Keeps other web pages out: a page that is open in a browser on this machine can send requests to its servers.

Browsers let any page send GET requests and simple POST requests anywhere. They hide the answer from the page, but
Dagster's GraphQL would already have executed a mutation. With DNS rebinding, a page even gets to read the answer: its
own host name comes to mean 127.0.0.1. Programs that are no browser, such as curl, send none of the headers judged here
except ``Host``, and are let through.
"""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from resources.alerts.sinks import UI_URL_VARIABLE
from screenalytics_assets.core.common.errors import ConfigurationError

LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_GRAPHQL = "/graphql"
_JSON = "application/json"
_READING = ("GET", "HEAD")
_POLICY_VIOLATION = 1008  # the code that RFC 6455 has for it


class Guard:
    """Middleware that passes on only what the UI's own pages, or programs on this machine, may have sent.

    Args:
        app: The application.
        hosts: Names by which the server is reached, in lower case, without port; IPv6 addresses in brackets.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with status 403."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        problem = self.problem(scope)
        if problem is None:
            await self._app(scope, receive, _not_in_frames(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": problem[:120]})
        else:
            await PlainTextResponse(f"refused: {problem}\n", status_code=403)(scope, receive, send)

    def problem(self, scope: Scope) -> str | None:
        """Why a request is refused; None if it is not."""
        headers = Headers(scope=scope)
        problem = self._problem_of_host(headers) or _problem_of_origin(headers)
        if scope["type"] == "websocket":
            return problem or _problem_of_site(headers, may_navigate=False)
        method, path = scope["method"], scope["path"].rstrip("/")
        is_graphql = path.endswith(_GRAPHQL)
        may_navigate = method == "GET" and not (is_graphql and scope["query_string"])
        problem = problem or _problem_of_site(headers, may_navigate=may_navigate)
        if problem is None and is_graphql and method != "POST" and scope["query_string"]:
            problem = f"a query to {_GRAPHQL} is a POST of {_JSON}, not part of the address"
        if problem is None and method not in _READING:
            problem = _problem_of_media_type(headers)
        return problem

    def _problem_of_host(self, headers: Headers) -> str | None:
        found = headers.getlist("host")
        match = _HOST.fullmatch(found[0].lower()) if len(found) == 1 else None
        if match and match["name"] in self._hosts:
            return None
        return (
            f"the request is for the host {', '.join(found)!r}, but this server answers as "
            f"{', '.join(sorted(self._hosts))}; if it has another name, put its address into {UI_URL_VARIABLE}"
        )


def allowed_hosts(host: str, ui_url: str) -> set[str]:
    """The names by which a server is reached.

    Args:
        host: The address that it listens on.
        ui_url: The address of the UI for people.

    Raises:
        ConfigurationError: That is not an address.
    """
    bracketed = f"[{host}]" if ":" in host else host
    try:
        named = urlsplit(ui_url).netloc.rpartition("@")[2].lower()
    except ValueError as error:
        # Not shown: it may contain a password.
        raise ConfigurationError(
            f"{UI_URL_VARIABLE} is not an address ({error}): expected for example http://host:3000"
        ) from None
    match = _HOST.fullmatch(named)
    return {*LOCAL_HOSTS, bracketed.lower(), *([match["name"]] if match else ())}


def _problem_of_origin(headers: Headers) -> str | None:
    host = headers["host"].lower()
    for origin in headers.getlist("origin"):
        if origin.lower().partition("://")[2] != host:
            return f"it comes from a page of {origin!r}, not from this server ({host})"
    return None


def _problem_of_site(headers: Headers, *, may_navigate: bool) -> str | None:
    sites = set(headers.getlist("sec-fetch-site"))
    if sites <= {"none", "same-origin"}:
        return None
    navigates = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    if may_navigate and navigates:  # a link to a page of the UI, for example in a message
        return None
    return f"it comes from another site ({', '.join(sorted(sites))})"


def _problem_of_media_type(headers: Headers) -> str | None:
    found = headers.getlist("content-type")
    if len(found) == 1 and found[0].partition(";")[0].strip() == _JSON:
        return None
    return f"its media type is {', '.join(found) or 'not given'!r}, expected {_JSON}"


def _not_in_frames(send: Send) -> Send:
    """Answers that no other page may show in a frame, where its visitors could be led to click."""

    async def with_header(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("X-Frame-Options", "SAMEORIGIN")
        await send(message)

    return with_header
