"""A step that is not finite never touches the weights, and the error says which rows and why."""

import pytest
import torch

from recurra.errors import TrainingError


def keep_weights(small):
    """The run's model, and the list of its weights before each step."""
    model, before = small.build(), []

    def loss(model, batch):
        if model.training and torch.is_grad_enabled() and len(batch) > 1:
            before.append({name: weight.detach().clone() for name, weight in model.named_parameters()})
        return small.loss(model, batch)

    return model, before, loss


@pytest.mark.parametrize(("value", "what"), [("nan", "loss"), ("inf", "gradient")])  # tanh makes inf finite again
def test_a_bad_number_in_the_data(small, value, what):
    small.windows.values[20, 3] = float(value)
    model, before, loss = keep_weights(small)
    with pytest.raises(TrainingError) as caught:
        small.fit(model=model, loss=loss)
    message = str(caught.value)
    assert message.startswith(f"[train] the {what} of every step must be finite, got nan at step ")
    assert "from 1 of the 16 examples of the batch: rows 21 to 32." in message
    assert "Likely cause: 1 of the numbers in the batch are not finite. Correct or fill these rows" in message
    assert all(torch.equal(weight, before[-1][name]) for name, weight in model.named_parameters())


def test_a_loss_too_large_for_its_type(small):
    small.windows.values[:, -1] = 1e30
    with pytest.raises(TrainingError, match=r"got inf at step 1 of 12.*; …\. .*too large for float32 \(up to 1e\+30\)"):
        small.fit()


def test_a_gradient_that_is_not_finite(small):
    def loss(model, batch):
        return (model(batch[:, :-1]) * 0).abs().sqrt().mean()  # its value is 0, its slope is not finite

    model = small.build()
    first = [weight.detach().clone() for weight in model.parameters()]
    with pytest.raises(TrainingError) as caught:
        small.fit(model=model, loss=loss, clip=None)
    message = str(caught.value)
    assert "the gradient of every step must be finite, got nan at step 1 of 12, from 16 of the 16 examples" in message
    assert "the gradient exploded on the way back through time" in message
    assert "a learning rate below 0.01 and with gradient clipping (clip = 1)" in message
    assert all(torch.equal(weight, kept) for weight, kept in zip(model.parameters(), first, strict=True))


def test_weights_that_explode(small):
    with pytest.raises(
        TrainingError, match=r"the weights have grown out of bounds, the largest is .*rate below 1e\+25"
    ):
        small.fit(optimizer="sgd", learning_rate=1e25, schedule="constant", clip=None, l2=0.0)


def test_a_weight_that_is_not_finite(small):
    model = small.build()
    model.head.bias.data.fill_(float("nan"))
    with pytest.raises(TrainingError, match="Likely cause: a weight of the model is not finite"):
        small.fit(model=model)


def test_examples_that_cannot_be_computed_alone(small):
    def loss(model, batch):
        if len(batch) == 1:
            raise ValueError("not enough values per channel")
        return small.loss(model, batch) * float("nan")

    with pytest.raises(TrainingError, match="in a batch of 16 examples that begins with rows "):
        small.fit(loss=loss)


def test_the_last_checkpoint_remains_and_the_run_fails_there_again(small, tmp_path):
    def loss(model, batch):
        late = model.training and model.batches >= 8
        return small.loss(model, batch) * (float("inf") if late else 1.0)

    for _ in range(2):
        with pytest.raises(TrainingError, match=rf"at step 9 of 12.* checkpoint of step 6 remains in {tmp_path}\.$"):
            small.fit(tmp_path, loss=loss, checkpoint_steps=3, steps=12, epoch_steps=12)
