"""A small page behind the door, and requests for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agent.page.door import PageDoor

LIMIT = 2048
JOIN = "/gradio_api/queue/join"
STREAM = "/gradio_api/queue/data"
OPEN = {"Access-Control-Allow-Origin": "https://elsewhere.example", "Access-Control-Allow-Credentials": "true"}


async def page(request: Request) -> Response:
    answer = HTMLResponse("<script>1</script><p>text</p><script type='module' src='./x.js'></script>", headers=OPEN)
    answer.set_cookie("access-token-x", "secret", httponly=True, samesite="none", secure=True)
    return answer


async def join(request: Request) -> Response:
    return JSONResponse({"size": len(await request.body())})


async def data(request: Request) -> Response:
    async def events() -> AsyncIterator[str]:
        yield "data: first\n\n"
        await asyncio.sleep(60)
        yield "data: last\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


INSIDE = Starlette(
    routes=[
        Route("/", page),
        Route(JOIN, join, methods=["POST"]),
        Route(STREAM, data),
        Route("/assets/x.js", lambda request: Response("1", media_type="text/javascript")),
    ]
)


def door(**options: Any) -> PageDoor:
    return PageDoor(INSIDE, **({"health": lambda: {"status": "ok"}, "hosts": None, "max_body_bytes": LIMIT} | options))


def asked(
    method: str, path: str, *, base: str = "http://page.example", through: PageDoor | None = None, **more: Any
) -> Any:
    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(through or door())
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(method, path, **more)

    return asyncio.run(request())
