"""What was measured as pictures: SVG, from the results of one run."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.scenarios import Result

SIZE = (7.0, 4.0)
"""Inches."""


def draw(results: Sequence[Result], folder: Path) -> list[Path]:
    """Draws what there are results for; returns the files."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "stowage"  # the same picture is the same file
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, plot in PLOTS.items():
        figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
        if plot(axes, results):
            path = folder / f"{name}.svg"
            axes.grid(alpha=0.3)
            figure.savefig(path, metadata={"Date": None})
            made.append(path)
        plt.close(figure)
    return made


def _curve(axes: Any, results: Sequence[Result]) -> bool:
    """Seconds over the number of deployments, and what they would be if they grew linearly."""
    lines = {
        "a burst on an API server": [
            (n, r.facts["s in all"]) for n, r in _numbered(results, "curve", "at once")
        ],
        "start with all of them, until ready": [
            (int(r.facts["deployments"]), r.total / 1e3) for r in results if r.name.startswith("curve: start")
        ],
        "decisions alone, CPU": [
            (n, r.total / 1e3) for n, r in _numbered(results, "decisions", "deployments")
        ],
    }
    drawn = {label: sorted(points) for label, points in lines.items() if len(points) > 1}
    for label, points in drawn.items():
        (line,) = axes.plot(*zip(*points, strict=True), marker="o", label=label)
        first, last = points[0], points[-1]
        linear = (first[1], first[1] * last[0] / first[0])
        axes.plot((first[0], last[0]), linear, ":", color=line.get_color())
    axes.set(xlabel="InferenceDeployments", ylabel="s", title="Growth; dotted: linear from the first point")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    if drawn:
        axes.legend()
    return bool(drawn)


def _spread(prefixes: Sequence[str], title: str) -> Callable[[Any, Sequence[Result]], bool]:
    """A plot of the share of objects over the seconds that they took."""

    def plot(axes: Any, results: Sequence[Result]) -> bool:
        chosen = [r for r in results if r.name.startswith(tuple(prefixes)) and len(r.milliseconds) > 1]
        for one in chosen:
            seconds = [each / 1e3 for each in sorted(one.milliseconds)]
            share = [(number + 1) / len(seconds) * 100 for number in range(len(seconds))]
            axes.step(seconds, share, where="post", label=one.name)
        axes.set(xlabel="s", ylabel="% of objects", title=title)
        if chosen:
            axes.legend(fontsize="small")
        return bool(chosen)

    return plot


def _steady(axes: Any, results: Sequence[Result]) -> bool:
    """Memory and CPU time of the steady state, sample by sample."""
    chosen = next((r for r in results if "resident MiB" in r.series), None)
    if chosen is None:
        return False
    memory, share = chosen.series["resident MiB"], chosen.series["CPU ms a second"]
    times = [number * chosen.facts["s"] / len(memory) for number in range(len(memory))]
    axes.plot(times, memory, label="resident, MiB")
    axes.set(xlabel="s", ylabel="MiB", title=chosen.name, ylim=(0, None))
    other = axes.twinx()
    other.plot(times, [each / 10 for each in share], color="tab:orange", lw=0.8, label="CPU, % of a core")
    other.set(ylabel="% of a core", ylim=(0, None))
    axes.figure.legend(loc="outside lower right", ncols=2)
    return True


def _numbered(results: Sequence[Result], begin: str, end: str) -> list[tuple[int, Result]]:
    pattern = re.compile(rf"{begin}: (\d+) {end}")
    return [(int(found[1]), r) for r in results if (found := pattern.match(r.name))]


PLOTS: dict[str, Callable[[Any, Sequence[Result]], bool]] = {
    "curve": _curve,
    "burst": _spread(("burst", "yardstick"), "Apply to Deployment, Service and status"),
    "storm": _spread(("storm",), "A quarter of the nodes vanish"),
    "fleet": _steady,
}
