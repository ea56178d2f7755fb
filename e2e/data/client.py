"""Asks a model server for digits, from inside the cluster, and counts what goes wrong.

    python3 client.py ADDRESS SAMPLES once|until-told [PAUSE]

ADDRESS is HOST:PORT of the Service, SAMPLES a file as train.py prints it. ``once`` asks for all samples once;
``until-told`` asks on and on, from several connections at a time with PAUSE seconds between two requests of
each, until standard input ends. Prints one line of JSON: how many requests there were, how many answers were
wrong, how long one took, and the first errors. Every request has a connection of its own, so that each goes
where the Service sends it at that moment.
"""

import http.client
import json
import statistics
import sys
import threading
import time
from pathlib import Path

WORKERS = 4
PAUSE_SECONDS = 0.02
TIMEOUT_SECONDS = 30.0
ERRORS_KEPT = 10
VECTOR = {"name": "X", "shape": [1, 64]}
"""What models of scikit-learn take."""


def ask(address, entry, picture):
    """Return the digit that the server sees in a picture."""
    tensor = {**entry, "datatype": "FP32", "data": picture}
    body = json.dumps({"inputs": [tensor]})
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", "/v2/models/digits/infer", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read().decode()
    finally:
        connection.close()
    if answer.status != 200:
        raise ValueError(f"status {answer.status}: {content[:300]}")
    outputs = {each["name"]: each["data"] for each in json.loads(content)["outputs"]}
    if "scores" in outputs:
        return max(range(len(outputs["scores"])), key=outputs["scores"].__getitem__)
    # scikit-learn's operators in ONNX say label, MLServer says predict.
    return int(outputs["label" if "label" in outputs else "predict"][0])


class Tally:
    """Counts over all workers."""

    def __init__(self):
        self.lock = threading.Lock()
        self.requests = self.wrong = self.failed = 0
        self.errors = []
        self.times = []

    def count(self, right, error, seconds):
        """Count one request."""
        with self.lock:
            self.requests += 1
            self.times.append(seconds)
            if error is not None:
                self.failed += 1
                self.errors = [*self.errors, f"{time.strftime('%H:%M:%S')} {error}"][:ERRORS_KEPT]
            elif not right:
                self.wrong += 1


def try_one(address, entry, picture, digit, tally):
    """Ask for one sample and count it."""
    started = time.monotonic()
    try:
        right, error = ask(address, entry, picture) == digit, None
    except (OSError, ValueError, KeyError, http.client.HTTPException) as failure:
        right, error = False, f"{type(failure).__name__}: {failure}"
    tally.count(right, error, time.monotonic() - started)


def until_told(address, entry, samples, tally, pause):
    """Ask on and on, from several threads, until standard input ends."""
    told = threading.Event()

    def work(offset):
        number = offset
        while not told.is_set():
            try_one(address, entry, *samples[number % len(samples)], tally)
            number += 1
            told.wait(pause)

    workers = [threading.Thread(target=work, args=(index * 7,)) for index in range(WORKERS)]
    for each in workers:
        each.start()
    sys.stdin.read()
    told.set()
    for each in workers:
        each.join()


def main():
    """Ask, and print the tally."""
    address, file, how, *pause = sys.argv[1:]
    content = json.loads(Path(file).read_text())
    samples = list(zip(content["pictures"], content["digits"], strict=True))
    entry = content.get("input", VECTOR)
    tally = Tally()
    if how == "once":
        for picture, digit in samples:
            try_one(address, entry, picture, digit, tally)
    else:
        until_told(address, entry, samples, tally, float(pause[0]) if pause else PAUSE_SECONDS)
    print(
        json.dumps(
            {
                "requests": tally.requests,
                "failed": tally.failed,
                "wrong": tally.wrong,
                "slowest": round(max(tally.times, default=0), 3),
                "median": statistics.median(tally.times) if tally.times else 0,
                "errors": tally.errors,
            }
        )
    )


main()
