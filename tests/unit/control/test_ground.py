"""Candidates count as told on the same ground only while nothing but room has changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stowage.api.inference_deployment_status import CandidateStatus, InferenceDeploymentStatus
from stowage.catalog import load_catalog
from stowage.control.ground import Ground, Grounds
from stowage.control.policies import EMBEDDED

KEY = ("shop", "chat")
RUNTIMES = tuple(load_catalog().runtimes.values())
GROUND = Ground(("uid", 1), EMBEDDED, (), RUNTIMES, ({}, ()))


def status(*pools: str) -> InferenceDeploymentStatus:
    told = [
        CandidateStatus(pool=p, accelerator_class="c", variant="v", runtime="r", verdict="Feasible")
        for p in pools
    ]
    return InferenceDeploymentStatus(observed_generation=1, candidates=told)


def told(ground: Ground = GROUND) -> Grounds:
    grounds = Grounds()
    grounds.same(KEY, ground, None)
    grounds.told(KEY, status("a", "b"))
    return grounds


def test_the_same() -> None:
    grounds = told()
    for _ in range(2):
        assert grounds.same(KEY, replace(GROUND), status("a", "b"))
        grounds.told(KEY, status("a", "b"))


@pytest.mark.parametrize(
    "change",
    [
        {"spec": ("uid", 2)},
        {"spec": ("other", 1)},
        {"policy": EMBEDDED.model_copy()},
        {"runtimes": RUNTIMES[:-1]},
        {"rest": ({"a": "failed"}, ())},
    ],
)
def test_something_changed(change: dict[str, Any]) -> None:
    assert not told().same(KEY, replace(GROUND, **change), status("a", "b"))


@pytest.mark.parametrize("found", [None, status("a"), status("a", "c")])
def test_a_status_that_was_edited_is_told_anew(found: InferenceDeploymentStatus | None) -> None:
    assert not told().same(KEY, GROUND, found)


def test_a_run_that_failed_before_its_status_proves_nothing() -> None:
    grounds, other = told(), replace(GROUND, spec=("uid", 2))
    assert not grounds.same(KEY, other, status("a", "b"))
    assert not grounds.same(KEY, other, status("a", "b"))


def test_what_is_forgotten_is_not_the_same() -> None:
    grounds = told()
    grounds.forget(KEY)
    assert not grounds.same(KEY, GROUND, status("a", "b"))
