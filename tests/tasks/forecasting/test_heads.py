"""Heads: quantiles that mean what they say."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from series import learn

from recurra.errors import SettingsError
from recurra.tasks.forecasting import Forecasting
from recurra.tasks.forecasting.heads import (
    NegativeBinomialHead,
    NormalHead,
    PointHead,
    QuantileHead,
    StudentTHead,
    build_head,
    student_t_quantile,
)

LEVELS = (0.1, 0.5, 0.9)


def batch_of(windows: int, horizon: int, target: torch.Tensor | None = None) -> SimpleNamespace:
    shape = (windows, horizon)
    return SimpleNamespace(
        base=torch.zeros(shape),
        target=torch.zeros(shape) if target is None else target,
        weight=torch.ones(windows, 1),
        anchor=torch.full((windows, 1), 10.0, dtype=torch.float64),
        unit=torch.full((windows, 1), 2.0, dtype=torch.float64),
    )


def test_quantiles_never_cross():
    head = QuantileHead((0.05, 0.25, 0.5, 0.75, 0.95))
    raw = 10 * torch.randn(50, 4, 5)
    quantiles = head.quantiles(raw, batch_of(50, 4), head.levels)
    assert (quantiles.diff(dim=-1) >= 0).all()
    torch.testing.assert_close(quantiles[..., 2].float(), raw[..., 0])


@pytest.mark.parametrize("head", [QuantileHead(LEVELS), NormalHead(), StudentTHead()], ids=lambda h: type(h).__name__)
def test_a_fitted_head_finds_the_quantiles_of_its_data(head):
    """Fit one set of raw numbers to 4,000 draws: the quantiles must be those of the draws."""
    torch.manual_seed(1)
    target = 3 + 2 * torch.randn(4000, 1)
    batch = batch_of(4000, 1, target)
    raw = torch.zeros(head.size, requires_grad=True)
    optimizer = torch.optim.Adam([raw], lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        head.loss(raw.expand(4000, 1, -1), batch).mean().backward()
        optimizer.step()
    found = head.quantiles(raw.detach().expand(1, 1, -1), batch_of(1, 1), LEVELS)[0, 0]
    expected = torch.quantile(target.double(), torch.tensor(LEVELS, dtype=torch.float64))
    torch.testing.assert_close(found, expected, atol=0.15, rtol=0)


def test_a_fitted_negative_binomial_finds_mean_and_quantiles_of_counts():
    torch.manual_seed(1)
    counts = torch.distributions.NegativeBinomial(4.0, torch.tensor(0.6)).sample((4000, 1)).double()  # mean 6
    batch = batch_of(4000, 1, ((counts - 10) / 2).float())
    head, raw = NegativeBinomialHead(), torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.Adam([raw], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        head.loss(raw.expand(4000, 1, -1), batch).mean().backward()
        optimizer.step()
    found = head.quantiles(raw.detach().expand(1, 1, -1), batch_of(1, 1), LEVELS)[0, 0] * 2 + 10
    expected = torch.quantile(counts[:, 0], torch.tensor(LEVELS, dtype=torch.float64))
    torch.testing.assert_close(found, expected, atol=1.01, rtol=0)


def test_the_point_head_repeats_its_number():
    quantiles = PointHead().quantiles(torch.tensor([[[2.0]]]), batch_of(1, 1), LEVELS)
    assert quantiles.tolist() == [[[2.0, 2.0, 2.0]]]


@pytest.mark.parametrize(
    ("df", "level", "expected", "tolerance"),
    [
        (2.0, 0.9, 1.88561808, 2e-3),
        (3.0, 0.975, 3.18244631, 1e-5),
        (5.0, 0.9, 1.47588405, 1e-6),
        (10.0, 0.05, -1.81246112, 1e-6),
        (30.0, 0.5, 0.0, 1e-6),
        (1000.0, 0.99, 2.330083, 1e-6),
    ],
)  # the expected values are from printed tables
def test_quantiles_of_students_t(df, level, expected, tolerance):
    found = float(student_t_quantile(torch.tensor(df), torch.tensor(level)))
    assert found == pytest.approx(expected, rel=tolerance, abs=tolerance)


def test_every_head_trains_and_forecasts():
    for name in ("quantiles", "point", "normal", "student-t", "negative-binomial"):
        task, series = learn(head=name)
        batch = task.split(series).training.batch(torch.arange(4))
        model = task.build_model()
        task.loss(model[0], batch).backward()
        forecasts = task.backtest_series(model.eval(), series, 2, 5)
        assert np.isfinite(forecasts.point).all(), name
        assert forecasts.quantiles.shape == (4, 5, 0 if name == "point" else 3)
        assert (np.diff(forecasts.quantiles, axis=-1) >= 0).all()


def test_a_head_that_cannot_be_sampled_is_refused_where_paths_are_drawn():
    with pytest.raises(SettingsError, match="needs a distribution, got 'quantiles'"):
        Forecasting(time="t", target="y", horizon=2, decoder="autoregressive")
    settings = Forecasting(time="t", target="y", horizon=2, decoder="autoregressive", head="normal")
    assert isinstance(build_head(settings), NormalHead)
