"""A signal ends the process, whatever it does: seen from outside, in processes of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from stowage.control.ending import SIGNALS

BEFORE = """
import time
from stowage.control.ending import end_at_once
end_at_once()
print("waiting", flush=True)
time.sleep(60)
"""
HANGING = """
import asyncio, logging, time
from stowage.control.ending import take_signals
logging.basicConfig()
async def main():
    take_signals(lambda: print("told", flush=True), last_seconds=0.5)
    print("waiting", flush=True)
    await asyncio.to_thread(time.sleep, 60)
asyncio.run(main())
"""


def ended(code: str, number: signal.Signals) -> tuple[int, str, str, float]:
    """Sends the signal to a process that runs the code; how it ended, what it printed, and after how long."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        sent = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err, time.monotonic() - sent


@pytest.mark.parametrize("number", SIGNALS)
def test_before_anything_runs_it_ends_at_once(number: signal.Signals) -> None:
    code, out, err, _ = ended(BEFORE, number)
    assert (code, out, err) == (0, "", "")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_thread_that_hangs_is_cut_off(number: signal.Signals) -> None:
    code, out, err, seconds = ended(HANGING, number)
    assert (code, out) == (0, "told\n")
    assert "not everything ended within 0.5 s" in err
    assert 0.5 <= seconds < 30
