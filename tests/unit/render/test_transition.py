"""The next step from what serves to what was decided."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from stowage.api.reasons import Code
from stowage.placement.decision import Chosen, Decision
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Placement
from stowage.render.names import deployment_name
from stowage.render.transition import Serving, Transition, transition

from .builders import candidate, choose, decision, pool, workload

ON_L4 = candidate(workload(), pool("nvidia-l4"))
ON_A100 = candidate(workload(), pool("nvidia-a100-80gb"))
ON_H100 = candidate(workload(), pool("nvidia-h100-80gb-sxm"))


def name(chosen: Chosen) -> str:
    return serving(chosen, 0).name


def serving(chosen: Chosen, ready: int) -> Serving:
    placement = chosen.as_placed
    return Serving(deployment_name(workload(), placement), placement, chosen.replicas, ready)


L4, A100, H100 = choose(ON_L4, 2), choose(ON_A100, 2), choose(ON_H100, 1)
NOTHING = decision(wanted=2, outcome=Reason(Code.NO_CAPACITY, "full"))
PARTLY = Reason(Code.PARTIALLY_PLACED, "1 of 2 replicas have room")
ZERO = decision(wanted=0, outcome=Reason(Code.SCALED_TO_ZERO, "none wanted"))


@dataclass(frozen=True)
class Case:
    what: str
    decided: Decision
    serving: tuple[Serving, ...]
    apply: tuple[Chosen, ...] = ()
    delete: tuple[str, ...] = ()
    draining: tuple[str, ...] = ()


CASES = [
    Case("the first placement", decision(L4), (), apply=(L4,)),
    Case("it starts", decision(L4), (serving(L4, 0),), apply=(L4,)),
    Case("it serves", decision(L4), (serving(L4, 2),), apply=(L4,)),
    Case(
        "a move makes before it breaks",
        decision(A100),
        (serving(L4, 2),),
        apply=(A100,),
        draining=(name(L4),),
    ),
    Case(
        "while the new one starts",
        decision(A100),
        (serving(L4, 2), serving(A100, 1)),
        apply=(A100,),
        draining=(name(L4),),
    ),
    Case(
        "until all of it serves",
        decision(A100),
        (serving(L4, 2), serving(A100, 2)),
        apply=(A100,),
        delete=(name(L4),),
    ),
    Case(
        "a split waits for all of its parts",
        decision(A100, H100),
        (serving(L4, 2), serving(A100, 2), serving(H100, 0)),
        apply=(A100, H100),
        draining=(name(L4),),
    ),
    Case(
        "a split is there",
        decision(A100, H100),
        (serving(L4, 2), serving(A100, 2), serving(H100, 1)),
        apply=(A100, H100),
        delete=(name(L4),),
    ),
    Case(
        "a part of a split goes when the rest serves",
        decision(A100),
        (serving(A100, 2), serving(H100, 1)),
        apply=(A100,),
        delete=(name(H100),),
    ),
    Case(
        "half a move takes nothing away",
        decision(H100, wanted=2, outcome=PARTLY),
        (serving(L4, 2), serving(H100, 1)),
        apply=(H100,),
        draining=(name(L4),),
    ),
    Case(
        "half of what is wanted will do where no more served before",
        decision(H100, wanted=2, outcome=PARTLY),
        (serving(L4, 1), serving(H100, 1)),
        apply=(H100,),
        delete=(name(L4),),
    ),
    Case("nothing could be decided: what serves stays", NOTHING, (serving(L4, 2),)),
    Case("nothing could be decided in a move", NOTHING, (serving(L4, 2), serving(A100, 0))),
    Case("nothing could be decided and nothing serves", NOTHING, ()),
    Case(
        "where it replaces, what serves goes first",
        decision(A100, replaces=True),
        (serving(L4, 2),),
        apply=(A100,),
        delete=(name(L4),),
    ),
    Case("scaled to zero", ZERO, (serving(L4, 2),), delete=(name(L4),)),
    Case("scaled to zero, and nothing serves", ZERO, ()),
    Case(
        "scaled to zero, kept",
        decision(choose(ON_L4, 0), wanted=0),
        (serving(L4, 2), serving(A100, 1)),
        apply=(choose(ON_L4, 0),),
        delete=(name(A100),),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.what)
def test_the_next_step(case: Case) -> None:
    assert transition(case.decided, case.serving) == Transition(case.apply, case.delete, case.draining)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.what)
def test_nothing_is_both_kept_and_deleted(case: Case) -> None:
    step = transition(case.decided, case.serving)
    applied = {name(c) for c in step.apply}
    assert not applied & {*step.delete, *step.draining}
    assert not {*step.delete} & {*step.draining}


def test_a_kept_placement_is_known_by_what_it_was_placed_as() -> None:
    as_placed = Placement("bf16", "vllm", "l4", "nvidia-l4", 2)
    kept = Chosen(ON_L4, 2, as_placed)
    step = transition(decision(kept), (serving(kept, 2),))
    assert step == Transition((kept,), delete=(), draining=())
