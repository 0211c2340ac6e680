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


LENGTHS = torch.randint(1, 100, (2000,), generator=torch.Generator().manual_seed(0))


def test_batches_of_like_lengths_pad_little_and_hold_every_example_once():
    order, plain = Order(2000, 32, seed=0, lengths=LENGTHS), Order(2000, 32, seed=0)

    def padded(order):
        batches = [LENGTHS[order.batch(step)] for step in range(125)]  # two passes
        return sum(int(batch.max()) * len(batch) for batch in batches) / sum(int(batch.sum()) for batch in batches)

    assert padded(order) < 1.1 < 1.8 < padded(plain)
    stream = torch.cat([order.batch(step) for step in range(125)])
    assert (stream.view(2, 2000).sort(1).values == torch.arange(2000)).all()


def test_long_and_short_batches_come_in_random_order():
    order = Order(2000, 32, seed=0, lengths=LENGTHS)
    means = torch.stack([LENGTHS[order.batch(step)].float().mean() for step in range(62)])
    assert abs(torch.corrcoef(torch.stack([means, torch.arange(62.0)]))[0, 1]) < 0.3
    others = {tuple(Order(2000, 32, seed, LENGTHS).batch(3).sort().values.tolist()) for seed in range(5)}
    assert len(others) == 5
