"""Makes the files of this folder, where Keras 3 is installed: small models, and what they answer to one input.

KERAS_BACKEND=jax python tests/nn/keras/make.py
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers

FOLDER = Path(__file__).parent
MODELS = {
    "lstm": [layers.LSTM(4, return_sequences=True, name="low"), layers.LSTM(4, return_sequences=True, name="high")],
    "both": [layers.Bidirectional(layers.LSTM(4, return_sequences=True))],
    "gru": [layers.GRU(4, return_sequences=True)],
    "gru_before": [layers.GRU(4, return_sequences=True, reset_after=False, use_bias=True)],
    "rnn": [layers.SimpleRNN(4, return_sequences=True, activation="relu")],
    "hard": [layers.LSTM(4, return_sequences=True, recurrent_activation="hard_sigmoid")],
}


def main() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 5, 3)).astype(np.float32)
    answers = {"x": x}
    for name, parts in MODELS.items():
        model = keras.Sequential([keras.Input((None, 3)), *parts])
        for weight in model.weights:
            weight.assign(random.normal(size=weight.shape) * 0.5)
        model.save(FOLDER / f"{name}.keras")
        answers[name] = np.asarray(model(x))
        if name == "both":
            model.save_weights(FOLDER / f"{name}.weights.h5")
    np.savez_compressed(FOLDER / "answers.npz", **answers)


if __name__ == "__main__":
    main()
