"""The workers, and their contract with what goes wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from stowage.cluster.errors import Conflict, Gone, Retry, Terminal
from stowage.control.queue import K, QueueClosed, WorkQueue

_log = logging.getLogger(__name__)


async def _at_once() -> object:
    """The default of what workers wait for: nothing."""
    return None


async def run_workers(
    queue: WorkQueue[K],
    handler: Callable[[K], Awaitable[None]],
    count: int,
    *,
    after: Callable[[], Awaitable[object]] = _at_once,
) -> None:
    """Run ``count`` workers until the queue is shut down or this is cancelled; each awaits ``after`` first.

    What the handler raises decides what happens to the key, and never ends a worker: Retry runs it again
    after its backoff, Terminal ever later up to five minutes, Gone not at all, and anything else is our
    bug: logged with its traceback, and run again after the backoff. A run without an error clears the
    backoff.
    """
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(_work(queue, handler, after), name=f"worker-{number}")


async def _work(
    queue: WorkQueue[K],
    handler: Callable[[K], Awaitable[None]],
    after: Callable[[], Awaitable[object]],
) -> None:
    await after()
    while True:
        try:
            key = await queue.get()
        except QueueClosed:
            return
        try:
            await run_one(queue, handler, key)
        finally:
            queue.done(key)


async def run_one(queue: WorkQueue[K], handler: Callable[[K], Awaitable[None]], key: K) -> None:
    """Runs a key once; what the handler raises decides when the key runs again."""
    name = "/".join(filter(None, key)) if isinstance(key, tuple) else key
    try:
        await handler(key)
    except Gone as error:
        _log.info("%s: %s", name, error)
    except Retry as error:
        wait = queue.retry(key, at_least=error.retry_after or 0.0)
        # A conflict is how optimistic concurrency works, not news.
        level = logging.DEBUG if isinstance(error, Conflict) else logging.WARNING
        _log.log(level, "%s: %s; again in %.1f s", name, error, wait)
        return
    except Terminal as error:
        wait = queue.retry_terminal(key)
        _log.error("%s: %s; again in %.0f s, or when it changes", name, error, wait)
        return
    except asyncio.CancelledError:
        if _being_cancelled():
            raise
        wait = queue.retry(key)
        _log.exception("%s: something that it awaited was cancelled; again in %.1f s", name, wait)
        return
    except Exception:
        wait = queue.retry(key)
        _log.exception("%s: unexpected error; again in %.1f s", name, wait)
        return
    queue.forget(key)


def _being_cancelled() -> bool:
    """Whether someone wants this worker to end, rather than that something it awaited was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
