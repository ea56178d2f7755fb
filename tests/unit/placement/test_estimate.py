"""The roofline by hand, and measurements that win over it.

The class here has 100 TFLOPS and 1000 GB/s; servers reach half of the one and 0.7 of the other.
"""

from __future__ import annotations

from typing import Any

import pytest

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.quantity import GIB
from stowage.placement.estimate import UNKNOWN, Estimate, estimate

from .builders import CHAT, CLASSIFIER, Spec, accelerator, variant, workload

MEMORY = 16 * GIB


def one(spec: Spec, model: Spec = CHAT, device: AcceleratorClass | None = None, **asked: Any) -> Estimate:
    wanted = workload([spec], model=model, requirements=asked)
    return estimate(wanted, wanted.spec.variants[0], device or accelerator("x"), 1, MEMORY)


def close(found: Estimate, expected: Estimate) -> bool:
    return all(
        getattr(found, field) == pytest.approx(getattr(expected, field))
        for field in Estimate.__dataclass_fields__
        if field != "measured"
    )


def test_language_model_by_hand() -> None:
    """8e9 parameters, 8 GiB of weights, 512 tokens in, 128 out, at most 10 ms an output token.

    first = 2 x 8e9 x 512 / 50e12. At batch b a step reads 8 GiB + b x 128 KiB x (512 + 64) at 700 GB/s;
    batch 1 takes 12.4 ms, which is over 10 ms, and no more are tried.
    """
    first = 2 * 8e9 * 512 / 50e12
    step = (8 * GIB + 131_072 * 576) / 700e9
    rate = 1 / (first + 128 * step)
    found = one(variant(), latency={"timePerOutputToken": "10ms"})
    latency = first + 128 * step
    assert close(found, Estimate("estimated", latency, first, step, rate, rate * 128, 100 / rate, 1, latency))


def test_language_model_takes_the_best_batch_that_fits_into_memory() -> None:
    """16 GiB x 0.84 less 8 x 1.02 less 2.3 leave 2.98 GiB: 38 caches of 80 MiB, so 32 at once."""
    first = 2 * 8e9 * 512 / 50e12
    step = (8 * GIB + 32 * 131_072 * 576) / 700e9
    rate = 32 / (32 * first + 128 * step)
    found = one(variant())
    latency = first + 128 * step
    alone = first + 128 * (8 * GIB + 131_072 * 576) / 700e9
    assert close(found, Estimate("estimated", latency, first, step, rate, rate * 128, 100 / rate, 32, alone))


def test_decode_is_bound_by_arithmetic_where_memory_is_fast() -> None:
    fast = accelerator("x", memoryBandwidth="1000000")
    found = one(variant(), device=fast, latency={"timePerOutputToken": "1ms"})
    assert found.time_per_output_token == pytest.approx(2 * 8e9 / 50e12)  # a larger batch gains nothing


def test_classic_model_by_hand() -> None:
    """4e9 operations against 50e12 a second are 80 us; 1 GiB + 100 MiB at 700 GB/s are 1.7 ms."""
    time = (GIB + 100 * 1024**2) / 700e9
    found = one(variant(size="1Gi"), CLASSIFIER, latency={"request": "1ms"})
    assert close(
        found,
        Estimate(
            "estimated",
            latency=time,
            requests_per_second=1 / time,
            joules_per_request=100 * time,
            batch=1,
            latency_alone=time,
        ),
    )


def test_classic_model_batches_up_to_the_latency_asked_for() -> None:
    found = one(variant(size="1Gi"), CLASSIFIER, latency={"request": "2ms"})
    time = (GIB + 2 * 100 * 1024**2) / 700e9  # 1.8 ms; batch 4 would take 2.1 ms
    assert (found.latency, found.requests_per_second) == (pytest.approx(time), pytest.approx(2 / time))


@pytest.mark.parametrize("model", [CHAT, CLASSIFIER], ids=["language", "classic"])
def test_a_request_by_itself_is_answered_sooner_than_one_of_the_best_batch(model: Spec) -> None:
    found = one(variant(size="1Gi"), model)
    assert found.batch is not None
    assert found.batch > 1
    assert found.latency_alone is not None
    assert found.latency is not None
    assert found.latency_alone < found.latency


@pytest.mark.parametrize("model", [CHAT, CLASSIFIER], ids=["language", "classic"])
def test_a_request_alone_takes_as_long_whatever_the_latency_asked_for(model: Spec) -> None:
    """The bound gives the batch, not the speed of the device."""
    tight, loose = (one(variant(size="1Gi"), model, latency={"request": most}) for most in ("1ms", "9s"))
    assert tight.latency_alone == tight.latency == loose.latency_alone
    assert loose.latency != loose.latency_alone


PROFILE = {
    "acceleratorClass": "x",
    "requestsPerSecond": "20",
    "tokensPerSecond": "2560",
    "latency": "2s",
    "timeToFirstToken": "120ms",
    "timePerOutputToken": "15ms",
    "powerWatts": "80",
}


FIELDS = ("latency", "time_to_first_token", "time_per_output_token", "requests_per_second",
          "tokens_per_second", "joules_per_request")  # fmt: skip


def test_a_measured_profile_wins() -> None:
    found = one(variant(profiles=[PROFILE]))
    assert found == Estimate(
        "measured", 2.0, 0.12, 0.015, 20.0, 2560.0, 4.0, latency_alone=2.0, measured=frozenset(FIELDS)
    )


@pytest.mark.parametrize(
    ("given", "basis", "measured"),
    [
        pytest.param(["latency"], "mixed", {"latency": 2.0, "latency_alone": 2.0}, id="a latency"),
        pytest.param(
            ["requestsPerSecond"],
            "mixed",
            {"requests_per_second": 20.0, "tokens_per_second": 2560.0},
            id="a rate: 128 tokens a request",
        ),
        pytest.param(
            ["tokensPerSecond"],
            "mixed",
            {"requests_per_second": 20.0, "tokens_per_second": 2560.0},
            id="a rate of tokens",
        ),
        pytest.param(
            ["timeToFirstToken", "timePerOutputToken"],
            "mixed",
            {
                "time_to_first_token": 0.12,
                "time_per_output_token": 0.015,
                "latency": 0.12 + 128 * 0.015,
                "latency_alone": 0.12 + 128 * 0.015,
            },
            id="both times: the latency follows",
        ),
        pytest.param(
            [f for f in PROFILE if f not in ("acceleratorClass", "latency")],
            "measured",
            {"requests_per_second": 20.0, "joules_per_request": 4.0, "latency": 2.04},
            id="all but what follows from the others",
        ),
    ],
)
def test_a_profile_wins_figure_by_figure(given: list[str], basis: str, measured: dict[str, float]) -> None:
    found = one(variant(profiles=[{k: PROFILE[k] for k in ("acceleratorClass", *given)}]))
    assert found.basis == basis
    assert {f: getattr(found, f) for f in measured} == pytest.approx(measured)
    assert measured.keys() - {"latency_alone"} <= found.measured
    plain = one(variant())
    for field in {*FIELDS} - found.measured:
        if field not in ("joules_per_request", "latency"):
            assert getattr(found, field) == getattr(plain, field), field


def test_design_power_at_a_measured_rate_is_an_estimate() -> None:
    profile = {"acceleratorClass": "x", "requestsPerSecond": "20"}
    found = one(variant(profiles=[profile]))
    assert (found.joules_per_request, found.basis_of("joules_per_request")) == (100 / 20, "estimated")
    assert found.basis_of("requests_per_second") == "measured"


def test_a_measured_time_is_part_of_an_estimated_latency() -> None:
    profile = {"acceleratorClass": "x", "timePerOutputToken": "15ms"}
    found = one(variant(profiles=[profile]))
    assert found.time_to_first_token is not None
    assert found.latency == pytest.approx(found.time_to_first_token + 128 * 0.015)
    assert found.basis_of("latency") == "estimated"


def test_measured_where_nothing_can_be_calculated() -> None:
    profile = {"acceleratorClass": "x", "requestsPerSecond": "20"}
    found = one(variant(profiles=[profile]), device=accelerator("x", memoryBandwidth=None, powerWatts=None))
    measured = frozenset({"requests_per_second", "tokens_per_second"})
    assert found == Estimate(
        "measured", requests_per_second=20.0, tokens_per_second=2560.0, measured=measured
    )


@pytest.mark.parametrize("other", [{"acceleratorClass": "y"}, {"devices": 2}])
def test_a_profile_of_something_else_does_not(other: Spec) -> None:
    assert one(variant(profiles=[{**PROFILE, **other}])) == one(variant())


@pytest.mark.parametrize(
    ("changed", "model"),
    [
        pytest.param({"memoryBandwidth": None}, CHAT, id="no bandwidth"),
        pytest.param({"precisions": [{"name": "bf16"}]}, CHAT, id="no peak"),
        pytest.param({"precisions": [{"name": "fp32", "peak": "1"}]}, CHAT, id="not native"),
        pytest.param({"precisions": [{"name": "bf16", "peak": "0"}]}, CHAT, id="a peak of zero"),
        pytest.param({}, {"name": "m", "task": "chat"}, id="nothing known of the model"),
    ],
)
def test_unknown_numbers_stay_unknown(changed: Spec, model: Spec) -> None:
    assert one(variant(), model, accelerator("x", **changed)) == UNKNOWN
    assert Estimate("unknown") == UNKNOWN


def test_energy_is_unknown_without_a_power() -> None:
    found = one(variant(), device=accelerator("x", powerWatts=None))
    assert (found.basis, found.joules_per_request) == ("estimated", None)


AWQ = {"scheme": "awq", "weights": "int4", "activations": "fp16"}


def test_weight_only_reads_narrow_weights_and_computes_wide() -> None:
    """4 GiB of int4 weights at 700 GB/s, and the peak of fp16, which is a fourth of int4's here."""
    device = accelerator("x", precisions=[{"name": "fp16", "peak": "100"}, {"name": "int4", "peak": "400"}])
    narrow = variant("awq", precision="int4", size="4Gi", quantization=AWQ)
    found = one(narrow, device=device, latency={"timePerOutputToken": "6ms"})
    expected = (2 * 8e9 * 512 / 50e12, (4 * GIB + 131_072 * 576) / 700e9)
    assert (found.time_to_first_token, found.time_per_output_token) == pytest.approx(expected)


def test_unnamed_parameters_follow_from_the_width_of_the_weights() -> None:
    unnamed = {k: v for k, v in CHAT.items() if k != "parameters"}
    narrow = variant("awq", precision="int4", size="4Gi", quantization=AWQ)
    found = one(narrow, unnamed)
    assert found.time_to_first_token == pytest.approx(2 * (8 * GIB) * 512 / 50e12)


@pytest.mark.parametrize(
    ("sparse_peak", "sparsity", "operations"),
    [
        pytest.param("200", "2:4", 100e12, id="pruned, and the class is faster so"),
        pytest.param(None, "2:4", 50e12, id="pruned, and the class doesn't care"),
        pytest.param("200", None, 50e12, id="not pruned"),
    ],
)
def test_sparsity_counts_only_where_the_class_gains_from_it(
    sparse_peak: str | None, sparsity: str | None, operations: float
) -> None:
    native: Spec = {"name": "bf16", "peak": "100", **({"sparsePeak": sparse_peak} if sparse_peak else {})}
    spec = variant(**({"sparsity": sparsity} if sparsity else {}))
    found = one(spec, device=accelerator("x", precisions=[native]))
    assert found.time_to_first_token == pytest.approx(2 * 8e9 * 512 / operations)
