"""Answers that a healthy API server gives rarely: overload, proxies in between, huge and broken lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from stowage.cluster.client import KubernetesCluster
from stowage.cluster.errors import ClusterError, Gone, Retry
from stowage.cluster.ports import NODES, Body

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Callable[[int], Path]:
    """Makes a kubeconfig for a port of this machine."""

    def make(port: int) -> Path:
        content = {
            "current-context": "fake",
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
            "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "fake", "user": {}}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(content))
        return path

    return make


@pytest.fixture
def run(kubeconfig: Callable[[int], Path]) -> Callable[..., None]:
    """Runs a coroutine with a client of a server that answers as told."""

    def runner(
        handler: Handler, scenario: Callable[[KubernetesCluster], Awaitable[None]], *delays: float
    ) -> None:
        async def main() -> None:
            async with (
                serving(handler) as port,
                KubernetesCluster.connect(kubeconfig=kubeconfig(port), read_delays=delays) as cluster,
            ):
                await scenario(cluster)

        asyncio.run(main())

    return runner


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def constant(**answer: Any) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(**answer)

    return handler


def stream(*chunks: bytes) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        return response

    return handler


def line(kind: str, body: Body) -> bytes:
    return json.dumps({"type": kind, "object": body}).encode() + b"\n"


@pytest.mark.parametrize(
    ("answer", "kind", "message", "retry_after"),
    [
        (
            {"status": 429, "text": "Too many requests", "headers": {"Retry-After": "7"}},
            Retry,
            "get nodes n: 429 Too many requests",
            7.0,
        ),
        ({"status": 502, "text": "<html>Bad"}, Retry, "get nodes n: 502 <html>Bad", None),
        (
            {"status": 200, "text": "<html>Login"},
            Retry,
            "get nodes n: the answer isn't JSON: <html>Login",
            None,
        ),
        ({"status": 200, "text": "[1]"}, Retry, "get nodes n: the answer isn't an object: [1]", None),
        ({"status": 503, "text": "[1]"}, Retry, "get nodes n: 503 [1]", None),
    ],
)
def test_what_proxies_say(
    run: Any, answer: dict[str, Any], kind: type[ClusterError], message: str, retry_after: float | None
) -> None:
    async def scenario(cluster: KubernetesCluster) -> None:
        with pytest.raises(kind) as caught:
            await cluster.get(NODES, "n")
        assert str(caught.value) == message
        assert getattr(caught.value, "retry_after", None) == retry_after

    run(constant(**answer), scenario)


def test_one_bad_moment_does_not_start_a_long_list_again(run: Any) -> None:
    pages: dict[str, Any] = {
        "": {"metadata": {"resourceVersion": "9", "continue": "two+/="}, "items": [1, 2]},
        "two+/=": {"metadata": {"resourceVersion": "9"}, "items": [3]},
    }
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.query.get("continue", ""))
        if len(asked) == 2:
            return web.Response(status=503)
        return web.json_response(pages[asked[-1]])

    async def scenario(cluster: KubernetesCluster) -> None:
        listing = await cluster.list(NODES, decode=str, limit=2)
        assert (listing.items, listing.resource_version) == (["1", "2", "3"], "9")
        assert asked == ["", "two+/=", "two+/="]

    run(handler, scenario, 0.01)


def test_the_server_may_ask_for_more_patience_than_we_have(run: Any) -> None:
    times: list[float] = []

    async def handler(_: web.Request) -> web.Response:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return web.json_response({"metadata": {"name": "n"}})

    async def scenario(cluster: KubernetesCluster) -> None:
        assert await cluster.get(NODES, "n") == {"metadata": {"name": "n"}}
        assert times[1] - times[0] >= 1

    run(handler, scenario, 0.01)


def test_a_list_whose_past_was_compacted_is_gone(run: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        if "continue" in request.query:
            return web.json_response({"reason": "Expired", "message": "too old"}, status=410)
        return web.json_response({"metadata": {"resourceVersion": "9", "continue": "x"}, "items": [1]})

    async def scenario(cluster: KubernetesCluster) -> None:
        with pytest.raises(Gone, match=r"^list nodes: 410 too old"):
            await cluster.list(NODES, decode=lambda body: body)

    run(handler, scenario)


async def followed(cluster: KubernetesCluster) -> list[tuple[str, int]]:
    async with aclosing(cluster.watch(NODES, resource_version="1")) as events:
        return [(event.type, len(str(event.body))) async for event in events]


def test_lines_of_any_length_and_a_cut_one(run: Any) -> None:
    """Longer than every buffer of aiohttp, in pieces, and the last one not whole."""
    huge: Body = {"x": "x" * 5_000_000}
    content = line("ADDED", huge) + line("DELETED", {}) + b"\n" + line("ADDED", {})[:-5]
    pieces = [content[start : start + 700_001] for start in range(0, len(content), 700_001)]

    async def scenario(cluster: KubernetesCluster) -> None:
        assert await followed(cluster) == [("ADDED", len(str(huge))), ("DELETED", 2)]

    run(stream(*pieces), scenario)


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (line("ERROR", {"code": 410, "message": "too old"}), Gone, "watch nodes: 410 too old"),
        (line("ERROR", {"code": 500, "message": "odd"}), Retry, "watch nodes: 500 odd"),
        (line("ERROR", {}), Retry, "watch nodes: 500 no explanation"),
        (line("RENAMED", {}), Retry, "watch nodes: 'RENAMED' is no event of a watch"),
        (b"{}\n", Retry, "watch nodes: None is no event of a watch"),
        (b"<html>\n", Retry, "watch nodes: the answer isn't JSON: <html>"),
    ],
)
def test_what_ends_a_watch(run: Any, content: bytes, kind: type[ClusterError], message: str) -> None:
    async def scenario(cluster: KubernetesCluster) -> None:
        with pytest.raises(kind) as caught:
            await followed(cluster)
        assert str(caught.value) == message

    run(stream(content), scenario)
