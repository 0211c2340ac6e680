"""Learn to write recipes by characters, and go on with a prompt.  Run: python examples/generation.py"""

import tempfile
from pathlib import Path

import numpy as np

import recurra


def make_recipes(count: int = 400) -> str:
    """Recipes of one pattern, whose last line depends on the first."""
    random = np.random.default_rng(0)
    dishes = {"soup": "Serve it hot.", "salad": "Serve it cold.", "pie": "Let it rest."}
    recipes = []
    for _ in range(count):
        dish = random.choice(list(dishes))
        first, second = random.choice(["leeks", "beans", "apples", "nuts"], size=2, replace=False)
        recipes.append(f"{dish.title()} of {first}\nChop the {first}. Add {second}.\n{dishes[dish]}\n\n")
    return "".join(recipes)


def show(text: str) -> None:
    """Print text as it is made."""
    print(text, end="", flush=True)


with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "recipes.txt"
    file.write_text(make_recipes())

    task = recurra.Generation(encoder=recurra.Encoder(hidden_size=64))
    options = recurra.TrainingOptions(steps=250, batch_size=8, learning_rate=1e-2, seed=1)
    bundle = recurra.train(task, file, options=options)

    print(bundle.task.restore_scores(bundle.scores).summary(), end="\n\n")

    show("Pie of ")
    first = bundle.generate("Pie of ", length=60, temperature=0.5, stop="\n", show=show)
    show("\n")
    bundle.generate(state=first.state, length=200, temperature=0.5, stop="\n\n", show=show)
    show("\n")
