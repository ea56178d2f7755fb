"""kopf in a thread of its own, and what looks after it.

One watch that fails for good ends all of kopf; and it doesn't always manage to end: measured with 1.45.2,
after a 410 to a watch its other watchers wait for ever for credentials that nobody fetches any more, and
the operator would be deaf. So kopf gets an event loop that we can leave behind, tasks and all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from random import random
from typing import Any, NoReturn

import kopf

from stowage.cluster.backoff import full_jitter
from stowage.cluster.circuit import Circuit
from stowage.control.handlers import Observed, quiet_settings, registry_for
from stowage.control.world import World
from stowage.observe import metrics

RESTART_BACKOFF = (2.0, 30.0)
"""The longest first wait and the longest wait in seconds before kopf starts again."""
LASTED_SECONDS = 60.0
"""A kopf that ran for so long had started well: the next wait is a first one again."""
END_SECONDS = 2.0
"""How long kopf's tasks may take to end before they are left behind."""
_log = logging.getLogger(__name__)


async def watch(
    world: World, place: str, context: str | None, relisted: Callable[[], None], circuit: Circuit
) -> NoReturn:
    """Feeds the stores of a place, but those of children, from kopf's watches until cancelled. Where kopf
    ends, that is said in one line, and it starts again.

    Args:
        place: one of ``scope.places()``: the cluster, or a namespace.
        relisted: told that kopf listed something anew, or couldn't: what was deleted before that, it will
            never tell.
        circuit: while it is open, there is no kopf, which would try each of its watches all the time.
    """
    failures = 0
    while True:
        started, wait = time.monotonic(), 0.0
        try:
            await _Thread(world, place, context, relisted, circuit).run()
        except Exception as error:
            failures = 1 if time.monotonic() - started > LASTED_SECONDS else failures + 1
            base, cap = RESTART_BACKOFF
            wait = full_jitter(failures, base=base, cap=cap, random=random)
            why = getattr(error, "message", None) or error
            metrics.watch_restarted(place or "all")
            where = f" of namespace {place}" if place else ""
            _log.error("the watches%s ended: %s; they start again in %.1f s", where, why, wait)
        else:
            failures = 0
        relisted()
        await circuit.pause(wait)


class _Thread:
    """One life of kopf."""

    def __init__(
        self, world: World, place: str, context: str | None, relisted: Callable[[], None], circuit: Circuit
    ) -> None:
        self._circuit = circuit
        self._ours = asyncio.get_running_loop()
        self._relisted = relisted
        self._place = place
        children = world.children_in(place)
        stores = [store for store in world.stores_in(place) if store not in children]
        self._registry = registry_for(stores, context, self._hand_over)
        self._settings = quiet_settings()
        self._kopfs = asyncio.new_event_loop()
        self._kopfs.set_exception_handler(_stray_error)
        self._told_to_end = asyncio.Event()
        self._ended: asyncio.Future[None] = self._ours.create_future()
        self._left = False

    async def run(self) -> None:
        """Runs until kopf ends, whose error it raises, or the API server is away, or until cancelled."""
        # A daemon: one that hangs must not keep the process from ending.
        threading.Thread(target=self._main, name="kopf", daemon=True).start()
        away = asyncio.ensure_future(self._circuit.opened())
        try:
            await asyncio.wait({self._ended, away}, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.done():
                self._ended.result()
        finally:
            self._left = True
            away.cancel()
            if not self._ended.done():
                self._kopfs.call_soon_threadsafe(self._told_to_end.set)
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(self._ended, END_SECONDS)

    def _hand_over(self, observed: Observed) -> None:
        """From kopf's thread to ours."""
        with contextlib.suppress(RuntimeError):  # ours has ended
            self._ours.call_soon_threadsafe(self._take, observed)

    def _take(self, observed: Observed) -> None:
        if self._left:
            return  # of a namespace that was left, say: nobody would ever tell that this went
        store, kind, body = observed
        store.observe(kind, body)
        if kind is None:
            self._relisted()

    def _main(self) -> None:
        error: BaseException | None = None
        try:
            self._kopfs.run_until_complete(self._until_it_ends())
        except BaseException as found:
            error = found
        self._leave()
        with contextlib.suppress(RuntimeError):
            self._ours.call_soon_threadsafe(self._say, error)

    async def _until_it_ends(self) -> None:
        tasks = await kopf.spawn_tasks(
            registry=self._registry,
            settings=self._settings,
            standalone=True,
            clusterwide=not self._place,
            namespaces=[self._place] if self._place else [],
        )
        told = asyncio.create_task(self._told_to_end.wait())
        done, _ = await asyncio.wait({*tasks, told}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {told}:
            task.result()
        if told not in done:
            raise RuntimeError(f"kopf's {next(iter(done)).get_name()} ended")

    def _leave(self) -> None:
        """Ends what ends, and closes the rest."""
        for _ in range(3):  # kopf's tasks swallow a cancellation now and then
            if tasks := asyncio.all_tasks(self._kopfs):
                for task in tasks:
                    task.cancel()
                self._kopfs.run_until_complete(asyncio.wait(tasks, timeout=END_SECONDS / 2))
        for task in asyncio.all_tasks(self._kopfs):
            _close(task)
        with contextlib.suppress(Exception):
            self._kopfs.run_until_complete(asyncio.wait_for(self._kopfs.shutdown_asyncgens(), END_SECONDS))
        self._kopfs.close()

    def _say(self, error: BaseException | None) -> None:
        if self._ended.done():
            return
        if error is None or isinstance(error, asyncio.CancelledError):
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)


def _close(task: asyncio.Task[Any]) -> None:
    """Closes a coroutine that may wait again while it is being closed; left open, it would complain later."""
    for _ in range(10):
        try:
            task.get_coro().close()
        except Exception:
            continue
        return


def _stray_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody awaits in a loop that is left behind harms nothing: connections and generators of kopf that
    were open, and callbacks of tasks that it cancelled."""
    _log.debug("kopf left behind: %s", context.get("message"), exc_info=context.get("exception"))
