"""What only the compiled kernels can get wrong: sizes, threads, memory, instruction sets, processes."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ops.cases import Case, Problem, cases, problem
from recurra.nn import GRU, LSTM, RNN
from recurra.ops import native
from tolerances import assert_close

pytestmark = pytest.mark.skipif(native.module is None, reason="the compiled kernels were not built")

FORMS = {case.op: case for case in reversed(cases()) if case.plain and case.bias}
OTHERS = ("layer-norm", "projection", "before", "all-products", "all-products-layer-norm")
FORMS |= {form: next(case for case in cases() if case.form == form) for form in OTHERS}
CHAOTIC = "all-products-layer-norm"  # over hundreds of steps the reference itself is as far off in float32


@pytest.fixture
def threads():
    """Set the number of threads; put it back afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def poisoned_memory():
    """Fresh tensors are full of NaN."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def sized(op: str, T: int, B: int, D: int, H: int, seed: int = 0) -> Problem:
    case = FORMS[op]
    p = problem(Case(case.op, case.form, case.options, T=T, B=B, D=D, H=H), seed)
    p.weights["input"] /= D**0.5
    for name in ("recurrent", "peephole", "candidate", "gate_recurrence"):
        if name in p.weights:
            p.weights[name] /= H**0.5
    return p


def everything(p: Problem, kernel: str, lengths: list[int] | None) -> list[Tensor]:
    """All results and all gradients."""
    y, _, state = p.run(kernel=kernel, lengths=lengths)
    loss = sum((part * torch.linspace(0.5, 1.5, part.numel()).view(part.shape)).sum() for part in (y, *state))
    return [y.detach(), *(s.detach() for s in state), *torch.autograd.grad(loss, p.tensors())]


SIZES = [
    (1, 1, 1, 1),
    (3, 1, 2, 17),
    (2, 7, 1, 16),
    (4, 13, 33, 31),
    (7, 3, 32, 32),
    (5, 64, 16, 48),
    (30, 25, 40, 65),
    (2, 3, 700, 1024),
]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("op", FORMS)
def test_sizes_and_threads(op, size, count, threads):
    p = sized(op, *size)
    threads(count)
    lengths = [size[0], *(b % (size[0] + 1) for b in range(size[1] - 1))]
    for given in (None, lengths):
        truth = everything(p.to(torch.float64, grad=True), "reference", given)
        got = everything(p.to(torch.float32, grad=True), "cpu", given)
        again = everything(p.to(torch.float32, grad=True), "cpu", given)
        assert all(torch.equal(a, b) for a, b in zip(got, again, strict=True)), "the same call gave other bits"
        for a, b in zip(got, truth, strict=True):
            largest = max(1.0, float(b.abs().max()))  # as csrc/README.md states the bounds
            assert_close(a / largest, b / largest, "gradient")


@pytest.mark.parametrize("op", FORMS)
def test_a_loss_on_the_last_step_only(op):
    """Its gradient dies away on the way back; from there on nothing may be left over in the results."""
    p = sized(op, 400, 4, 3, 16)
    found = []
    for dtype, kernel in ((torch.float64, "reference"), (torch.float32, "cpu")):
        q = p.to(dtype, grad=True)
        found.append(torch.autograd.grad(q.run(kernel=kernel)[0][-1].sum(), q.tensors(), allow_unused=True))
    for want, got in zip(*found, strict=True):
        assert_close(got, want, "gradient")


@pytest.mark.parametrize("features", [5, 32], ids=["odd", "whole vectors"])
@pytest.mark.parametrize("op", FORMS)
def test_a_gradient_of_zero_leaves_zeros(op, features):
    """Then no chunk adds anything, and what the memory held before must not come out."""
    p = sized(op, 6, 3, features, features).to(torch.float32, grad=True)
    y, _, _ = p.run(kernel="cpu")
    found = torch.autograd.grad(y, p.tensors(), torch.zeros_like(y), allow_unused=True)
    assert all(not gradient.any() for gradient in found if gradient is not None)


@pytest.mark.parametrize("op", [form for form in FORMS if form != CHAOTIC])
def test_gradients_that_arrive_now_and_then(op):
    """Steps without a gradient lie between steps with one, rows end at different times."""
    p = sized(op, 300, 30, 3, 8)
    weights = torch.zeros(300, 30, 1, dtype=torch.float64)
    weights[::97], weights[::41, 7] = 1.0, 2.0
    lengths = [(11 * b) % 301 for b in range(30)]
    found = []
    for dtype, kernel in ((torch.float64, "reference"), (torch.float32, "cpu")):
        q = p.to(dtype, grad=True)
        y, _, _ = q.run(kernel=kernel, lengths=lengths)
        found.append(torch.autograd.grad((y * weights.to(dtype)).sum(), q.tensors(), allow_unused=True))
    for want, got in zip(*found, strict=True):
        assert_close(got, want, "gradient")


def test_not_a_number_goes_through_and_infinities_saturate():
    p = sized("lstm", 4, 3, 2, 5).to(torch.float32)
    p.x[1, 0, 0], p.x[1, 1, 0] = torch.nan, torch.inf
    y, _, _ = p.run(kernel="cpu")
    truth, _, _ = p.run(kernel="reference")
    assert torch.equal(y.isnan(), truth.isnan())
    assert y[1:, 0].isnan().all()
    assert_close(y[:, 1:], truth[:, 1:])


@pytest.mark.parametrize("op", FORMS)
@pytest.mark.parametrize("wanted", [0, 1, -1, -2], ids=["x", "h0", "last", "last-but-one"])
def test_any_subset_of_the_gradients(op, wanted):
    p = sized(op, 5, 4, 3, 8)
    found = []
    for kernel in ("reference", "cpu"):
        q = p.to(torch.float64)
        q.tensors()[wanted].requires_grad_()
        found.append(torch.autograd.grad(q.run(kernel=kernel)[0].sum(), q.tensors()[wanted])[0])
    assert_close(found[1], found[0], "gradient")


@pytest.mark.parametrize("op", FORMS)
def test_twice_backward_and_the_derivative_of_the_derivative(op):
    p = sized(op, 3, 2, 2, 3).to(torch.float64, grad=True)
    y, _, _ = p.run(kernel="cpu")
    first = torch.autograd.grad(y.sum(), p.tensors(), retain_graph=True, allow_unused=True)
    second = torch.autograd.grad(y.sum(), p.tensors(), allow_unused=True)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True) if a is not None)
    run = lambda *tensors: p.replaced(tensors).run(kernel="cpu")[0]  # noqa: E731
    assert torch.autograd.gradcheck(run, p.tensors())
    assert torch.autograd.gradgradcheck(run, p.tensors())


@pytest.mark.parametrize("kind", [LSTM, GRU, RNN])
def test_the_layers_of_torch_hold_around_it(kind):
    """Checkpointing, hooks, functional calls, batch-first memory."""
    layer, x = kind(3, 8, 2, batch_first=True, bidirectional=True), torch.randn(4, 6, 3, requires_grad=True)
    want = torch.autograd.grad(layer(x)[0].square().sum(), x)[0]
    assert_close(
        torch.autograd.grad(checkpoint(layer, x, use_reentrant=False)[0].square().sum(), x)[0], want, "gradient"
    )
    twice = {name: value.detach() * 2 for name, value in layer.named_parameters()}
    assert not torch.equal(torch.func.functional_call(layer, twice, (x,))[0], layer(x)[0])
    seen = []
    layer.weight_hh_l0.register_hook(lambda gradient: seen.append(gradient.shape))
    layer(x)[0].sum().backward()
    assert seen == [layer.weight_hh_l0.shape]


def test_several_callers_at_once(threads):
    threads(2)
    p = sized("lstm", 40, 24, 8, 64).to(torch.float32, grad=True)
    want = everything(p, "cpu", None)

    def call(_: int) -> bool:
        torch.set_num_threads(2)  # each thread has its own setting
        return all(torch.equal(a, b) for a, b in zip(everything(p, "cpu", None), want, strict=True))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(call, range(32)))


def _in_a_child(queue: multiprocessing.Queue) -> None:
    torch.set_num_threads(2)
    queue.put(_one_number())


def _one_number() -> float:
    """Out of a sequence that is worth two threads; torch's own operations on it are small, as theirs would hang."""
    y, _, _ = sized("lstm", 20, 24, 8, 64).to(torch.float32).run(kernel="cpu")
    return float(y[-1, -1].sum())


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_a_fork(threads):
    threads(2)
    want = _one_number()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_a_child, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == want
    child.join()


def test_denormal_numbers_stay_outside():
    tiny = torch.full((4,), 1e-40)
    sized("lstm", 4, 3, 2, 5).to(torch.float32).run(kernel="cpu")
    assert (tiny * 1).all(), "the kernel left the flushing of denormal numbers on"


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_every_instruction_set(isa):
    environment = {**os.environ, "RECURRA_ISA": isa}
    probe = [sys.executable, "-c", "from recurra.ops import native; native.isa()"]
    if (
        "must name an instruction set of this machine"
        in subprocess.run(probe, env=environment, capture_output=True, text=True, check=False).stderr
    ):
        pytest.skip(f"this machine has no {isa}")
    chosen = ["tests/ops/test_agreement.py", "-k", "cpu", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *chosen], env=environment, capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]


def test_an_unknown_instruction_set_is_answered_in_a_sentence():
    done = subprocess.run(
        [sys.executable, "-c", "from recurra.ops import native; native.isa()"],
        env={**os.environ, "RECURRA_ISA": "avx1024"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "[RECURRA_ISA] must name an instruction set of this machine" in done.stderr
