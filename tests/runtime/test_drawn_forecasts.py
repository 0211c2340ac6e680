"""Forecasts that are drawn: step by step the graph says the bundle's distributions, and NumPy draws from these."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
import torch

import recurra
from recurra import runtime
from recurra.errors import DataError
from recurra.runtime.forecaster import inputs_of
from recurra.runtime.paths import PathDrawer
from recurra.tasks.forecasting.cutting import Cutter
from recurra.tasks.forecasting.drawing import draw_negative_binomial
from recurra.tasks.forecasting.windows import Batch

DISTRIBUTIONS = ("normal", "student-t", "negative-binomial")
SAMPLES = 4000


def trained(path, **settings):
    """A bundle of two members and its export; a category is known ahead."""
    random, steps = np.random.default_rng(0), np.array([70, 14])
    time = np.concatenate([np.arange(count) for count in steps])
    data = pl.DataFrame(
        {
            "shop": np.repeat(["a", "b"], steps),
            "day": time,
            "sold": random.poisson(6 + 3 * (time % 4 == 0)).astype(float),
            "promotion": np.where(time % 4 == 0, "yes", "no"),
        }
    ).with_columns(sold=pl.when(pl.int_range(pl.len()).over("shop") < pl.len().over("shop") - 3).then("sold"))
    task = recurra.Forecasting(
        time="day",
        target="sold",
        series="shop",
        future="promotion",
        horizon=3,
        members=2,
        samples=SAMPLES,
        encoder=recurra.Encoder(hidden_size=8, layers=2, peephole="full"),
        **settings,
    )
    bundle = recurra.train(task, data, options=recurra.TrainingOptions(steps=40))
    recurra.export(bundle, path)
    return bundle, runtime.load(path), data


@pytest.fixture(scope="module", params=DISTRIBUTIONS)
def stepwise(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("stepwise") / "model.onnx"
    return trained(path, decoder="autoregressive", head=request.param)


def cut_last(bundle, data):
    """The windows of all series at the end of what is known."""
    series = bundle.task.read(data)
    return Cutter(bundle.task, series, np.arange(len(series)), series.observed).cut(np.arange(len(series)))


@torch.no_grad()
def test_fed_with_what_came_each_step_is_the_bundle_s(stepwise):
    bundle, model, data = stepwise
    series = bundle.task.read(data)
    cut = Cutter(bundle.task, series, np.array([0, 1]), np.array([60, 6])).cut(np.array([0, 1]))
    assert cut.lengths[1] < cut.lengths[0]
    batch = Batch.of(cut)
    expected = [torch.stack(bundle.task.head.parameters(m(batch), batch), -1).double().numpy() for m in bundle.model]
    drawer, windows = PathDrawer(model._pair, model.task), inputs_of(cut)
    said = drawer._read_context(windows)
    for h in range(3):
        np.testing.assert_allclose(said["parameters"][:, :, 0], np.stack(expected)[:, :, h], rtol=1e-5, atol=1e-5)
        if h < 2:
            said = drawer._read_step(said, np.tile(cut.target[:, h].astype(float), (2, 1)), windows, h + 1)


def distance(some, others):
    """Kolmogorov and Smirnov's: how far two empirical distribution functions are apart at most."""
    at = np.concatenate([some, others])
    shares = (np.searchsorted(np.sort(draws), at, side="right") / len(draws) for draws in (some, others))
    return np.abs(np.subtract(*shares)).max()


def test_paths_have_the_distribution_of_the_bundle_s(stepwise):
    bundle, model, data = stepwise
    cut = cut_last(bundle, data)
    found = PathDrawer(model._pair, model.task).draw(inputs_of(cut), np.random.default_rng(1))
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        expected = np.stack([m.paths(Batch.of(cut), bundle.task.head, SAMPLES).numpy() for m in bundle.model])
    assert found.shape == expected.shape == (2, 2, SAMPLES, 3)
    unit, anchor = cut.unit[:, :, None], cut.anchor[:, :, None]
    values = [np.round(paths.astype(float) * unit + anchor, 3) for paths in (found, expected)]  # torch's are float32
    critical = math.sqrt(-math.log(1e-6 / 2) / SAMPLES)  # exceeded once in a million
    for member, window in np.ndindex(2, 2):
        some, others = (paths[member, window] for paths in values)
        for h in range(3):
            assert distance(some[:, h], others[:, h]) < critical
        for weights in ((1, 1, 1), (1, -1, 0), (0, 1, -1)):  # what one step says of the next
            assert distance(np.round(some @ weights, 2), np.round(others @ weights, 2)) < critical


def test_the_table_is_the_same_at_each_call_and_near_the_bundle_s(stepwise):
    bundle, model, data = stepwise
    found, expected = model.predict(data), bundle.predict(data)
    assert found.equals(model.predict(data))
    assert found.columns == expected.columns
    assert found["day"].to_list() == expected["day"].to_list()
    spread = (expected["q0.9"] - expected["q0.1"]).to_numpy()
    for level in ("q0.1", "q0.5", "q0.9"):
        apart = np.abs(found[level].to_numpy() - expected[level].to_numpy())
        assert (apart < np.maximum(0.15 * spread, 1.01)).all()  # a count may be one off


def exact_quantiles(mean, dispersion, levels):
    """Of a negative binomial: the smallest counts whose distribution function reaches the levels."""
    size = 1 / dispersion
    counts = np.arange(400)
    logs = [math.lgamma(k + size) - math.lgamma(size) - math.lgamma(k + 1) for k in counts]
    masses = np.exp(np.array(logs) + size * math.log(size / (size + mean)) + counts * math.log(mean / (size + mean)))
    return np.searchsorted(masses.cumsum(), levels)


def test_draws_of_counts_have_the_quantiles_of_the_negative_binomial():
    levels = np.array([0.05, 0.3, 0.5, 0.9, 0.99])
    for mean, dispersion in ((0.4, 0.2), (6.0, 1.5), (40.0, 1e-4)):
        draws = draw_negative_binomial(np.full((100_000, 2), (mean, dispersion)), np.random.default_rng(2))
        below, above = (exact_quantiles(mean, dispersion, np.clip(levels + by, 0, 1)) for by in (-0.006, 0.006))
        found = np.quantile(draws, levels, method="nearest")
        assert ((below <= found) & (found <= above)).all()


@pytest.mark.parametrize("decoder", ["direct", "segments"])
def test_quantiles_of_counts_are_those_of_the_parameters_that_the_bundle_says(decoder, tmp_path):
    bundle, model, data = trained(tmp_path / "model.onnx", decoder=decoder, head="negative-binomial")
    batch, levels = Batch.of(cut_last(bundle, data)), (0.1, 0.5, 0.9)
    with torch.no_grad():
        members = [torch.stack(bundle.task.head.parameters(m(batch), batch), -1).numpy() for m in bundle.model]
    found = model.predict(data).select("q0.1", "q0.5", "q0.9").to_numpy().reshape(2, 3, 3)
    for window, h, q in np.ndindex(found.shape):
        below, above = (
            np.mean([exact_quantiles(*member[window, h], [levels[q] + by])[0] for member in members])
            for by in (-0.06, 0.06)  # five standard errors of a share among a thousand
        )
        assert below <= found[window, h, q] <= above
    assert model.predict(data).equals(model.predict(data))


def test_counts_too_large_to_draw_are_refused():
    with pytest.raises(DataError, match="counts must have a mean that can be drawn, one of 1e"):
        draw_negative_binomial(np.array([[1e25, 0.1]]), np.random.default_rng(0))
