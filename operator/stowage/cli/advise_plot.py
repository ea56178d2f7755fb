"""Advice as a plot: cost or energy over latency, for a design document. Needs matplotlib."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import matplotlib
import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from stowage.cli.advise_labels import XY, Box, Sheet
from stowage.cli.advise_points import near, plotted, stairs
from stowage.cli.advise_text import axis_text, money, needs, number, seconds
from stowage.placement.advise import Advice, Offer
from stowage.placement.figures import known_from_memory

WIDTH, HEIGHT, EMPTY_HEIGHT = 600.0, 420.0, 110.0
"""Of one section, in points: 800 x 560 pixels; less where there is nothing to plot."""
INCH = 72.0
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8A6D00", "#56B4E9", "#7F3C8D", "#4D4D4D")
"""Of variants in order of name; told apart by people who don't see all colours (Okabe and Ito, 2008)."""
GREY = "#6b6b6b"
STYLE: list[str | Path | dict[str, Any]] = [
    "default",
    {
        "svg.hashsalt": "stowage",
        "svg.fonttype": "path",
        "font.family": "DejaVu Sans",
        "text.parse_math": False,  # a $ in a name is a $
    },
]
"""Nothing of the user's own settings; the same bytes every time."""
LINE = 124
"""Characters of a line under the title; there are at most two."""


def svg(advices: Sequence[Advice], currency: str | None) -> str:
    """One picture with a section for each deployment."""
    figure, titles = draw(advices, currency)
    out = io.StringIO()
    with matplotlib.style.context(STYLE):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    for gid, title in titles.items():
        text = text.replace(f'<g id="{gid}">', f'<g id="{gid}"><title>{escape(title)}</title>', 1)
    return text


def draw(advices: Sequence[Advice], currency: str | None) -> tuple[Figure, dict[str, str]]:
    """The figure, and what a browser shows over each point, by the id of its group."""
    titles: dict[str, str] = {}
    with matplotlib.style.context(STYLE):
        heights = [HEIGHT if plotted(a) else EMPTY_HEIGHT for a in advices]
        total = sum(heights)
        figure = Figure(figsize=(WIDTH / INCH, total / INCH), dpi=INCH)
        FigureCanvasAgg(figure)  # measures texts
        for i, advice in enumerate(advices):
            bottom = total - sum(heights[: i + 1])
            _Section(figure, advice, currency, bottom, heights[i], f"p{i}").draw(titles)
    return figure, titles


class _Section:
    """The plot of one deployment."""

    def __init__(
        self,
        figure: Figure,
        advice: Advice,
        currency: str | None,
        bottom: float,
        height: float,
        name: str,
    ) -> None:
        self._figure, self._advice, self._currency = figure, advice, currency
        self._bottom, self._height, self._name = bottom, height, name
        self._total = figure.get_figheight() * INCH
        self._offers, self._slow = near(plotted(advice))
        variants = sorted({o.key[1] for o in self._offers})
        self._colour = {v: COLOURS[i % len(COLOURS)] for i, v in enumerate(variants)}

    def draw(self, titles: dict[str, str]) -> None:
        self._write_heading()
        if not self._offers:
            self._write(self._nothing(), WIDTH / 2, 36, size=10, ha="center", color=GREY)
            return
        left, bottom, width, height = 58.0, 80.0, WIDTH - 58 - 16, HEIGHT - 80 - 66
        axes = self._figure.add_axes(
            (left / WIDTH, (self._bottom + bottom) / self._total, width / WIDTH, height / self._total)
        )
        self._scale(axes)
        front = sorted(self._point(o) for o in self._offers if o.standing == "Front")
        border = stairs(front)
        axes.plot(*zip(*border, strict=True), color="#222222", lw=1.1, ls=(0, (5, 3)), zorder=1)
        for i, offer in enumerate(self._offers):
            gid = f"{self._name}-{i}"
            titles[gid] = self._title(offer)
            self._mark(axes, offer, gid)
        unnamed = self._label(axes, border)
        self._write_legend(unnamed)

    def _nothing(self) -> str:
        if self._advice.outcome is not None:
            return "Nothing in the catalog can serve it."
        return f"No class has both a latency and a known {axis_text(self._advice.axis)}."

    def _write(self, text: str, x: float, y: float, **style: Any) -> None:
        """Text at a place of this section, from its lower left corner."""
        self._figure.text(x / WIDTH, (self._bottom + y) / self._total, text, **style)

    def _write_heading(self) -> None:
        workload = self._advice.workload
        title = f"{workload.spec.model.name}: {axis_text(self._advice.axis)} over latency"
        below = f"{workload.metadata.namespace}/{workload.name}: {needs(workload)}"
        lines = textwrap.wrap(below, LINE, max_lines=2, placeholder=" ...")
        self._write(title, 14, self._height - 22, size=12, weight="bold", va="baseline")
        self._write("\n".join(lines), 14, self._height - 29, size=8.5, color=GREY, va="top")

    def _point(self, offer: Offer) -> XY:
        return offer.candidate.estimate.latency or 0.0, offer.on(self._advice.axis) or 0.0

    def _scale(self, axes: Any) -> None:
        for axis, values, before, after in (("x", 0, 0.16, 0.13), ("y", 1, 0.12, 0.08)):
            found = [self._point(o)[values] for o in self._offers]
            low, high = min(found), max(found)
            if high / low < 2:  # a lone point, or a few close together, in the middle of a decade
                low, high = low / 1.8, high * 1.8
            span = high / low
            getattr(axes, f"set_{axis}scale")("log")
            getattr(axes, f"set_{axis}lim")(low / span**before, high * span**after)
            this = getattr(axes, f"{axis}axis")
            this.set_major_locator(LogLocator(subs=_ticks(span), numticks=12))
            this.set_minor_locator(NullLocator())
            this.set_minor_formatter(NullFormatter())
        costs = self._advice.axis == "costPerHour"
        short = max(self._point(o)[0] for o in self._offers) < 1
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: number(v * 1000 if short else v)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: number(v)))
        unit = self._currency or "in the currency of the prices"
        y_text = f"cost of all replicas per hour ({unit})" if costs else "energy per request (J)"
        axes.set_xlabel(
            f"latency of a request at the best batch ({'ms' if short else 's'}), log scale", fontsize=9
        )
        axes.set_ylabel(f"{y_text}, log scale", fontsize=9)
        axes.tick_params(labelsize=8.5, length=3)
        axes.grid(True, color="#e4e4e4", lw=0.6)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)

    def _mark(self, axes: Any, offer: Offer, gid: str) -> None:
        colour, front = self._colour[offer.key[1]], offer.standing == "Front"
        measured = offer.candidate.estimate.basis_of("latency") == "measured"
        hollow = known_from_memory(offer) and not measured
        axes.plot(
            *([v] for v in self._point(offer)),
            marker="D" if measured else "o",
            ms=7.5 if front else 5.5,
            mfc="white" if hollow else colour,
            mec="black" if front and not hollow else colour,
            mew=1.1,
            alpha=1.0 if front else 0.75,
            ls="",
            zorder=3 if front else 2,
            gid=gid,
        )

    def _label(self, axes: Any, border: Sequence[XY]) -> list[Offer]:
        """Names the points, the front first, then the best of each class. Returns those without room."""
        area = axes.get_window_extent()
        place = axes.transData.transform
        points = [tuple(map(float, place(self._point(o)))) for o in self._offers]
        ends = [tuple(map(float, place(s))) for s in border]
        sheet = Sheet(
            Box(area.x0 + 1, area.y0 + 1, area.x1 + 12, area.y1 + 4),
            points,  # type: ignore[arg-type]
            list(pairwise(ends)),  # type: ignore[arg-type]
        )
        order = sorted(
            range(len(points)),
            key=lambda i: (self._offers[i].standing != "Front", not self._offers[i].best_of_class, i),
        )
        return [self._offers[i] for i in order if not self._name_point(sheet, self._offers[i], points[i])]  # type: ignore[arg-type]

    def _name_point(self, sheet: Sheet, offer: Offer, at: XY) -> bool:
        front = offer.standing == "Front"
        style: dict[str, Any] = {
            "size": 8.5 if front else 7.5,
            "weight": "bold" if front else "normal",
            "color": "black" if front else GREY,
            "va": "bottom",
        }
        text = self._figure.text(0, 0, " ".join(offer.key), **style)
        size = text.get_window_extent()
        found = sheet.place(at, size.width, size.height, important=front)
        if found is None:
            text.remove()
            return False
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5})
        text.set_position((found.corner[0] / WIDTH, found.corner[1] / self._total))
        if found.leader is not None:
            (x0, y0), (x1, y1) = found.leader, at
            line = Line2D(
                [x0 / WIDTH, x1 / WIDTH], [y0 / self._total, y1 / self._total], color="#aaaaaa", lw=0.6
            )
            self._figure.add_artist(line)
        return True

    def _title(self, offer: Offer) -> str:
        value = offer.on(self._advice.axis) or 0.0
        unit = f"{money(value)} per hour" if self._advice.axis == "costPerHour" else f"{number(value)} J"
        latency = seconds(offer.candidate.estimate.latency or 0.0)
        text = f"{' '.join(offer.key)} by {offer.candidate.runtime.name}: {latency}, {unit}"
        basis = offer.candidate.estimate.basis
        memory = ", from figures known from memory" if known_from_memory(offer) else ""
        return f"{text}, {basis}{memory if basis == 'estimated' else ''}"

    def _write_legend(self, unnamed: list[Offer]) -> None:
        def dot(label: str, colour: str, **style: Any) -> Line2D:
            return Line2D([], [], ls="", marker="o", ms=6, color=colour, label=label, **style)

        handles = [dot(v, c) for v, c in self._colour.items()]
        if sum(o.standing == "Front" for o in self._offers) > 1:
            handles.append(Line2D([], [], color="#222222", lw=1.1, ls=(0, (5, 3)), label="Pareto front"))
        bases = {o.candidate.estimate.basis_of("latency") for o in self._offers}
        if "measured" in bases:
            handles.append(Line2D([], [], ls="", marker="D", ms=5.5, color=GREY, label="measured"))
        if "estimated" in bases:
            handles.append(dot("estimated", GREY))
        if any(known_from_memory(o) for o in self._offers):
            handles.append(dot("from memory", GREY, mfc="white"))
        self._figure.legend(
            handles=handles,
            loc="lower left",
            bbox_to_anchor=(10 / WIDTH, (self._bottom + 29) / self._total),
            ncols=min(7, len(handles)),
            fontsize=8,
            frameon=False,
            handletextpad=0.3,
            columnspacing=1.4,
            borderpad=0,
        )
        front = [o for o in unnamed if o.standing == "Front"]
        behind = len(unnamed) - len(front)
        absent = len(self._advice.serving) - len(self._offers) - len(self._slow)
        serving = {o.key[0] for o in self._advice.serving}
        refused = len({o.key[0] for o in self._advice.refused} - serving)
        notes = [
            *(f"Far slower, and not drawn: {self._title(o)}" for o in self._slow[:1]),
            *([f"{len(self._slow) - 1} more as slow"] if len(self._slow) > 1 else []),
            *([f"unnamed on the front: {', '.join(' '.join(o.key) for o in front)}"] if front else []),
            *([f"{behind} points behind the front have no room for a name"] if behind else []),
            *(
                [f"{absent} that serve have no known {axis_text(self._advice.axis)} or latency"]
                if absent
                else []
            ),
            f"{refused} {'class' if refused == 1 else 'classes'} can't serve it",
        ]
        lines = textwrap.wrap("; ".join(notes), LINE + 20, max_lines=2, placeholder=" ...")
        self._write("\n".join(lines), 14, 23, size=7.5, color=GREY, va="top")


def _ticks(ratio: float) -> tuple[float, ...]:
    """What of each decade has a tick on an axis whose end is so many times its beginning."""
    if ratio < 8:
        return (1, 1.5, 2, 3, 5, 7)
    return (1, 2, 5) if ratio < 300 else (1,)
