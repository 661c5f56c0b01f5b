"""The agent behind any chat client: an OpenAI-compatible HTTP server. Wiring only; a chat request is in `serving/exchange.py`.

No page, no CORS: browsers on other sites get nothing. What it speaks is documented in docs/server.md.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import Request
from threadpoolctl import threadpool_limits

from agent.errors import ConfigError
from agent.serving.door import Door
from agent.serving.exchange import ChatExchange, Service
from agent.serving.metrics import CONTENT_TYPE, Metrics
from agent.serving.openai_errors import ApiError, as_api_error, bad_request
from agent.serving.run_pool import RunPool
from agent.serving.threads import Threads
from agent.state import AgentContext
from principles_store.conversation import parse_conversation


@dataclass(frozen=True)
class ServerOptions:
    """Who may ask, and how much at once."""

    keys: tuple[str, ...] = field(default=(), repr=False)
    """Any of them opens the server; none: it is open."""
    hosts: frozenset[str] | None = None
    """Names that a request may be for; None: any."""
    max_concurrency: int = 64
    max_waiting: int = 256
    max_seconds: float = 300.0
    """From a request's arrival, waiting included; the best version until then is its answer."""
    max_body_kb: int = 1024
    checkpoints: Path | None = None
    """SQLite file in which conversations are kept; None: nothing is kept."""

    def __post_init__(self) -> None:
        for name, least in (("max_concurrency", 1), ("max_waiting", 0), ("max_body_kb", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be {least} or more, got {getattr(self, name)}")
        if not all(self.keys):
            raise ConfigError("a key is empty, which would open the server to everybody")
        if not self.max_seconds > 0:
            raise ConfigError(f"max_seconds must be positive, got {self.max_seconds}")


def build_server(context: AgentContext, options: ServerOptions | None = None) -> FastAPI:
    """Return the ASGI app that serves one agent; raises ConfigError where the options can't be met."""
    options = options or ServerOptions()
    service = _service(context, options)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        context.classifier.classify(parse_conversation("Ready?"))  # the first one takes ten times as long
        # Runs are parallel already: with threads of its own, BLAS takes 300 times as long where 64 of them call it.
        with threadpool_limits(1, user_api="blas"):
            yield
            service.pool.close()
        if service.threads:
            service.threads.close()

    # Without FastAPI's pages: they load scripts from elsewhere.
    app = FastAPI(title="ClinAlign", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(ApiError, _refused)
    app.add_exception_handler(HTTPException, _not_routed)
    app.state.model = service.model
    _add_routes(app, service)
    return app


def _service(context: AgentContext, options: ServerOptions) -> Service:
    pool = RunPool(
        max_running=options.max_concurrency, max_waiting=options.max_waiting, max_computing=os.cpu_count() or 1
    )
    return Service(
        context=context,
        model=f"clinalign/{context.engine.model_name}",
        door=Door(options.keys, hosts=options.hosts),
        pool=pool,
        metrics=Metrics(in_flight=lambda: pool.running, waiting=lambda: pool.waiting),
        max_seconds=options.max_seconds,
        max_body_bytes=options.max_body_kb * 1024,
        threads=Threads(options.checkpoints) if options.checkpoints else None,
    )


def _add_routes(app: FastAPI, service: Service) -> None:
    card = {"id": service.model, "object": "model", "created": int(time.time()), "owned_by": "clinalign"}

    @app.post("/v1/chat/completions")
    async def chat() -> Response:
        return ChatExchange(service)

    @app.get("/v1/models")
    async def models(request: Request) -> dict[str, Any]:
        service.door.enter(request)
        return {"object": "list", "data": [card]}

    @app.get("/v1/models/{name:path}")
    async def model(name: str, request: Request) -> dict[str, Any]:
        service.door.enter(request)
        service.check_model(name)
        return card

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Say that the server lives, and whether it would take another request; open, since it says nothing of anyone."""
        return {
            "status": "ok",
            "ready": not service.pool.is_full,
            "model": service.model,
            "engine": service.context.engine.name,
            "library_hash": service.context.index.library.content_hash,
            "in_flight": service.pool.running,
            "waiting": service.pool.waiting,
        }

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        service.door.enter(request)
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)


async def _refused(request: Request, error: Exception) -> Response:
    """Return an error outside a chat request in OpenAI's form."""
    problem = as_api_error(error)
    return JSONResponse(problem.body(), problem.status, headers=dict(problem.headers))


async def _not_routed(request: Request, error: Exception) -> Response:
    """Return an unknown address or method in OpenAI's form."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    problem = bad_request(f"{request.method} {request.url.path} is not served here", status=status)
    return JSONResponse(problem.body(), status, headers=getattr(error, "headers", None))
