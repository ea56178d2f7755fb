"""The next step from what serves to what was decided."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

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


def with_disruption(replicas: int, **disruption: Any) -> Chosen:
    return choose(candidate(workload(disruption=disruption), pool("nvidia-a100-80gb")), replicas)


PROMISED = with_disruption(2, minAvailable=2)
REPLACING = with_disruption(1, whenFull="Replace")


def giving_way(one: Chosen) -> Decision:
    return replace(decision(one), replaces=True, waiting=one.replicas)


@dataclass(frozen=True)
class Case:
    what: str
    decided: Decision
    serving: tuple[Serving, ...]
    apply: tuple[Chosen, ...] = ()
    delete: tuple[str, ...] = ()
    draining: tuple[str, ...] = ()
    shrink: tuple[tuple[str, int], ...] = ()


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
        "as one starts, one goes",
        decision(A100),
        (serving(L4, 2), serving(A100, 1)),
        apply=(A100,),
        draining=(name(L4),),
        shrink=((name(L4), 1),),
    ),
    Case(
        "not while Kubernetes hasn't seen what was written last",
        decision(A100),
        (serving(L4, 2), replace(serving(A100, 1), observed=False)),
        apply=(A100,),
        draining=(name(L4),),
    ),
    Case(
        "nor while a roll without surge may take one more",
        decision(A100),
        (serving(L4, 2), replace(serving(A100, 1), rolling=True, one_by_one=True)),
        apply=(A100,),
        draining=(name(L4),),
    ),
    Case(
        "pods that never got ready wait until others serve",
        decision(A100),
        (serving(L4, 0), serving(A100, 1)),
        apply=(A100,),
        draining=(name(L4),),
    ),
    Case(
        "what rolls loses only what could serve and be spared, as Kubernetes may take any of its pods",
        decision(choose(ON_L4, 1)),
        (replace(serving(choose(ON_L4, 3), 0), available=2, rolling=True),),
        apply=(choose(ON_L4, 2),),
    ),
    Case(
        "and nothing while Kubernetes hasn't seen what was written last",
        decision(choose(ON_L4, 1)),
        (replace(serving(choose(ON_L4, 3), 0), available=3, rolling=True, observed=False),),
        apply=(choose(ON_L4, 3),),
    ),
    Case(
        "but all at once where it doesn't roll",
        decision(choose(ON_L4, 1)),
        (replace(serving(choose(ON_L4, 3), 1), available=1),),
        apply=(choose(ON_L4, 1),),
    ),
    Case(
        "until all of it serves",
        decision(A100),
        (serving(L4, 2), serving(A100, 2)),
        apply=(A100,),
        delete=(name(L4),),
    ),
    Case(
        "a split takes over as its parts serve",
        decision(A100, H100),
        (serving(L4, 2), serving(A100, 2), serving(H100, 0)),
        apply=(A100, H100),
        draining=(name(L4),),
        shrink=((name(L4), 1),),
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
        "half a move takes half",
        decision(H100, wanted=2, outcome=PARTLY),
        (serving(L4, 2), serving(H100, 1)),
        apply=(H100,),
        draining=(name(L4),),
        shrink=((name(L4), 1),),
    ),
    Case(
        "what is wanted and has no room elsewhere goes on serving",
        decision(H100, wanted=2, outcome=PARTLY),
        (serving(L4, 1), serving(H100, 1)),
        apply=(H100,),
        draining=(name(L4),),
    ),
    Case(
        "unless no budget allows more",
        replace(decision(H100, wanted=2, outcome=PARTLY), limit=1),
        (serving(L4, 1), serving(H100, 1)),
        apply=(H100,),
        delete=(name(L4),),
    ),
    Case(
        "a part of a split shrinks only as another serves",
        decision(A100, choose(ON_L4, 1)),
        (serving(L4, 2), replace(serving(A100, 1), replicas=1)),
        apply=(A100, choose(ON_L4, 2)),
    ),
    Case(
        "and at once where fewer are wanted",
        decision(H100, choose(ON_L4, 1)),
        (serving(L4, 2), serving(H100, 1)),
        apply=(H100, choose(ON_L4, 1)),
    ),
    Case("nothing could be decided: what serves stays", NOTHING, (serving(L4, 2),)),
    Case("nothing could be decided in a move", NOTHING, (serving(L4, 2), serving(A100, 0))),
    Case("nothing could be decided and nothing serves", NOTHING, ()),
    Case(
        "where it must give way, one goes and one comes",
        giving_way(A100),
        (serving(L4, 2),),
        apply=(choose(ON_A100, 1),),
        draining=(name(L4),),
        shrink=((name(L4), 1),),
    ),
    Case(
        "and the next once that serves",
        replace(decision(choose(ON_A100, 1), wanted=2), replaces=True),
        (serving(L4, 1), replace(serving(A100, 0), replicas=1)),
        apply=(choose(ON_A100, 1),),
        draining=(name(L4),),
    ),
    Case(
        "or once more where one that went left too little room for it",
        replace(decision(choose(ON_A100, 1), wanted=3), replaces=True, waiting=1),
        (serving(choose(ON_L4, 2), 2), replace(serving(A100, 0), replicas=1)),
        apply=(choose(ON_A100, 1),),
        draining=(name(L4),),
        shrink=((name(L4), 1),),
    ),
    Case(
        "none goes below what is promised",
        giving_way(PROMISED),
        (serving(L4, 2),),
        draining=(name(L4),),
    ),
    Case(
        "except one that doesn't serve",
        giving_way(PROMISED),
        (serving(L4, 1),),
        apply=(replace(PROMISED, replicas=1),),
        draining=(name(L4),),
        shrink=((name(L4), 1),),
    ),
    Case(
        "and where the object says Replace",
        giving_way(REPLACING),
        (serving(choose(ON_L4, 1), 1),),
        apply=(REPLACING,),
        delete=(name(L4),),
    ),
    Case(
        "what failed and holds the only room goes first",
        replace(decision(A100), gives_way=frozenset({name(L4)})),
        (serving(L4, 0),),
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
    assert transition(case.decided, case.serving) == Transition(
        case.apply, case.delete, case.draining, case.shrink
    )


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
