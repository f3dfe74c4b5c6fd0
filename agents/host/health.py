"""Reports over HTTP whether this worker does its work, and its metrics.

Law: readiness is computed from the loops' state at the moment of the request, and a blocked event
loop does not answer at all. Beyond loopback, requests without the token get no further details.
"""

import hmac
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Handler

from agents.host.app import App
from agents.host.metrics_page import MetricsPage
from agents.settings import LOOPBACK

_OPEN = ("/live", "/ready")
"""The answers beyond loopback to an orchestrator's probes, which have no token."""


class Health:
    """GET /ready: 200 when the worker processes what it owns, else 503. GET /live: 200.
    GET /metrics: the catalogue of agents/metrics.py."""

    def __init__(
        self, app: App, role: str, port: int, token: str | None = None, host: str = LOOPBACK
    ) -> None:
        """
        Args:
            port: 0 takes a free one.
            token: a request without it (`Authorization: Bearer TOKEN`) is answered 401.
            host: the address to listen on. If it is not loopback, requests without the token get
                only yes or no from `/live` and `/ready`.
        """
        self._app = app
        self._role = role
        self._port = port
        self._host = host
        self._exposed = not ip_address(host).is_loopback
        self._wanted = None if token is None else f"Bearer {token}".encode()
        self._metrics = MetricsPage(app, role)
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        server = web.Application(middlewares=[self._admit])
        server.router.add_get("/ready", self._ready)
        server.router.add_get("/live", self._live)
        server.router.add_get("/metrics", self._measured)
        self._runner = web.AppRunner(server, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        port = self._runner.addresses[0][1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._trusted(request) or (self._exposed and request.path in _OPEN):
            return await handler(request)
        raise web.HTTPUnauthorized(
            headers={"WWW-Authenticate": "Bearer"},
            text=None if self._wanted else "401: JOURNEYS_HEALTH_TOKEN is not set",
        )

    def _trusted(self, request: web.Request) -> bool:
        """Whether the client may see everything."""
        if self._wanted is None:
            return not self._exposed
        given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        return hmac.compare_digest(given, self._wanted)

    async def _ready(self, request: web.Request) -> web.Response:
        app = self._app
        ready = app.ready()
        status = 200 if ready else 503
        if not self._trusted(request):
            return web.json_response({"ready": ready}, status=status)
        lag = app.lag()
        partitions = [
            {
                "topic": where[0],
                "partition": where[1],
                "position": loop.position,
                "lag": lag.get(where, 0),
                "applied": loop.applied,
            }
            for where, loop in sorted(app.ownership.loops.items())
        ]
        failed = app.exit.failed
        return web.json_response(
            {
                "role": self._role,
                "ready": ready,
                "rebalancing": bool(app.rebalancing),
                "failed": None if failed is None else type(failed).__name__,
                "partitions": partitions,
            },
            status=status,
        )

    async def _measured(self, request: web.Request) -> web.Response:
        page, content_type = self._metrics.render(request.headers.get("Accept", ""))
        return web.Response(body=page, headers={"Content-Type": content_type})

    async def _live(self, request: web.Request) -> web.Response:
        return web.json_response({"live": True})
