"""Reports over HTTP, on loopback, whether this worker does its work, and its metrics.

Law: readiness is computed from what the loops do at the moment of the request, and a blocked event
loop does not answer at all.
"""

import hmac

from aiohttp import web
from aiohttp.typedefs import Handler

from agents.host.app import App
from agents.host.metrics_page import MetricsPage

HOST = "127.0.0.1"


class Health:
    """GET /ready: 200 when the worker processes what it owns, else 503. GET /live: 200.
    GET /metrics: the catalogue of agents/metrics.py."""

    def __init__(self, app: App, role: str, port: int, token: str | None = None) -> None:
        """port: 0 takes a free one. token: a request without it (`Authorization: Bearer TOKEN`) is
        answered 401."""
        self._app = app
        self._role = role
        self._port = port
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
        site = web.TCPSite(self._runner, HOST, self._port)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://{HOST}:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        shown = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if self._wanted is not None and not hmac.compare_digest(shown, self._wanted):
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        return await handler(request)

    async def _ready(self, request: web.Request) -> web.Response:
        app = self._app
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
                "ready": app.ready(),
                "rebalancing": bool(app.rebalancing),
                "failed": None if failed is None else type(failed).__name__,
                "partitions": partitions,
            },
            status=200 if app.ready() else 503,
        )

    async def _measured(self, request: web.Request) -> web.Response:
        page, content_type = self._metrics.render(request.headers.get("Accept", ""))
        return web.Response(body=page, headers={"Content-Type": content_type})

    async def _live(self, request: web.Request) -> web.Response:
        return web.json_response({"live": True})
