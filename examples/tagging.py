"""Find names in sentences, and tell parts of speech by the ends of words.  Run: python examples/tagging.py"""

import numpy as np

import recurra


def make_news(count: int = 300) -> list[dict[str, list[str]]]:
    """Sentences with people and places, made of syllables: most names of the test were never seen."""
    random = np.random.default_rng(0)
    syllables = ["ka", "ro", "mi", "len", "dor", "va", "tis", "no"]
    patterns = ["PER met PER in LOC .", "LOC is far from LOC .", "Yesterday PER left .", "They saw PER PER near LOC ."]
    rows = []
    for _ in range(count):
        tokens, tags = [], []
        before = ""
        for word in str(random.choice(patterns)).split():
            if word in ("PER", "LOC"):
                name = "".join(random.choice(syllables, 3)).capitalize()
                tokens.append(name + ("burg" if word == "LOC" else ""))
                tags.append(f"{'I' if before == word else 'B'}-{word}")
            else:
                tokens.append(word)
                tags.append("O")
            before = word
        rows.append({"tokens": tokens, "tags": tags})
    return rows


options = recurra.TrainingOptions(steps=150, seed=1)
small = recurra.Encoder(hidden_size=32, bidirectional=True)

bundle = recurra.train(recurra.Tagging(encoder=small, embedding_size=32, refit=False), make_news(), options=options)
print(bundle.task.restore_scores(bundle.scores).summary())
print(bundle.predict([["Yesterday", "Milen", "met", "Varo", "Tiska", "in", "Kanoburg", "."]]))
