import pytest
import torch

from recurra.training.order import Order


@pytest.mark.parametrize(("examples", "batch_size"), [(10, 3), (10, 10), (7, 20), (1, 1), (50, 7)])
def test_every_pass_holds_every_example_once(examples, batch_size):
    order = Order(examples, batch_size, seed=0)
    stream = torch.cat([order.batch(step) for step in range(4 * examples)])
    passes = stream[: len(stream) // examples * examples].view(-1, examples)
    assert (passes.sort(1).values == torch.arange(examples)).all()


def test_a_step_does_not_depend_on_the_steps_before():
    whole, late = Order(50, 8, seed=3), Order(50, 8, seed=3)
    batches = [whole.batch(step) for step in range(40)]
    for step in (33, 2, 6, 39, 0):
        assert torch.equal(late.batch(step), batches[step])


def test_seeds_and_passes_differ():
    batches = {tuple(Order(50, 50, seed=seed).batch(step).tolist()) for seed in range(5) for step in range(5)}
    assert len(batches) == 25


def test_the_global_generator_is_not_used():
    before = torch.get_rng_state()
    Order(50, 8, seed=3).batch(0)
    assert torch.equal(torch.get_rng_state(), before)
