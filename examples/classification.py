"""Tell complaints from praise, and walking from running.  Run: python examples/classification.py"""

import numpy as np
import polars as pl

import recurra


def make_reviews(count: int = 400) -> pl.DataFrame:
    """Short reviews; what they think of the product stands in one or two of their words."""
    random = np.random.default_rng(0)
    praise = ["works well", "love it", "arrived early", "a good buy"]
    complaint = ["broke at once", "never again", "arrived late", "a waste"]
    filler = ["the box was blue", "bought in May", "as a present", "for my sister", "in size L", "second order"]
    rows = []
    for number in range(count):
        kind = ("praise", "complaint")[number % 2]
        parts = [*random.choice(filler, 2, replace=False), random.choice(praise if kind == "praise" else complaint)]
        rows.append((", ".join(random.permutation(parts)), kind))
    return pl.DataFrame(rows, ["review", "kind"], orient="row")


def make_steps(count: int = 200) -> dict[str, np.ndarray]:
    """Two accelerations over 20 to 40 steps: slow swings for walking, fast ones for running."""
    random = np.random.default_rng(0)
    lengths = random.integers(20, 41, count)
    running = np.arange(count) % 2
    phase = random.uniform(0, 6, count)[:, None] + np.arange(40) * np.where(running, 1.2, 0.5)[:, None]
    x = np.stack([np.sin(phase), np.cos(phase)], axis=-1) + random.normal(0, 0.3, (count, 40, 2))
    return {"x": x, "lengths": lengths, "y": np.where(running, "running", "walking")}


options = recurra.TrainingOptions(steps=150, seed=1)
small = recurra.Encoder(hidden_size=32, bidirectional=True)

reviews = recurra.Classification(text="review", label="kind", encoder=small)
bundle = recurra.train(reviews, make_reviews(), options=options)
print(bundle.task.restore_scores(bundle.scores).summary())
print(bundle.predict(["arrived late, for my sister", "as a present, love it"]))

signals = recurra.Classification(encoder=small)
bundle = recurra.train(signals, make_steps(), options=options)
print(bundle.task.restore_scores(bundle.scores).summary())
