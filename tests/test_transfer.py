"""Starting from a language model: what is taken over, what is refused, and that nothing of it is needed later."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import recurra
from recurra import runtime
from recurra.errors import BundleError, SettingsError
from recurra.files import sha256
from recurra.task import Transfers
from recurra.tasks import TASKS
from recurra.training.loop import Interrupted
from recurra.training.progress import Silent
from recurra.transfer import read_start

WORDS = np.array(["the", "film", "was", "a", "story", "of", "some", "people", "good", "bad"])
FEW = recurra.TrainingOptions(steps=20, batch_size=8, learning_rate=0.01, threads=1)
ENCODER = recurra.Encoder(hidden_size=6, layers=2, proj_size=4)
OWN = {"encoder": recurra.Encoder(bidirectional=True, dropout=0.2)}


def text(count: int = 200) -> str:
    random = np.random.default_rng(0)
    return "".join(f"{' '.join(random.choice(WORDS, 5))}\n" for _ in range(count))


def rows() -> pl.DataFrame:
    random = np.random.default_rng(1)
    kinds = ["good", "bad"] * 30
    return pl.DataFrame(
        {"text": [f"{kind} {' '.join(random.choice(WORDS[:8], 4))} zzz" for kind in kinds], "kind": kinds}
    )


def sentences() -> list[dict]:
    random = np.random.default_rng(2)
    made = [[str(word) for word in random.choice(WORDS, 4)] + ["Zzz"] for _ in range(60)]
    return [{"tokens": words, "tags": ["ADJ" if word in ("good", "bad") else "X" for word in words]} for words in made]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(text())
    return path


@pytest.fixture(scope="module")
def language_model(files, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("model") / "language"
    settings = recurra.Generation(tokens=recurra.Tokens(unit="word"), encoder=ENCODER, embedding_size=5, chunk=8)
    recurra.train(settings, files, out=out, options=FEW)
    return out


def classification(start: object, **settings) -> recurra.Classification:
    return recurra.Classification(
        **{"text": "text", "label": "kind", "from_": start, "refit": False, **OWN, **settings}
    )


def tagging(start: object, **settings) -> recurra.Tagging:
    own = {"encoder": recurra.Encoder(hidden_size=7, bidirectional=True, dropout=0.2), "character_size": 6}
    return recurra.Tagging(**{"from_": start, "refit": False, **own, **settings})


NEW = {"classification": (classification, rows, 2.6), "tagging": (tagging, sentences, 1.0)}
"""What starts from a language model of another task: its settings, its data, and the divisor of its rates."""


def built(settings, data):
    """The task and a member as it is before its first step."""
    start = read_start(settings)
    adopted = settings.adopt(start)
    task, _ = adopted.learn(adopted.read(data), start)
    return task, task.build_model()[0]


@pytest.mark.parametrize("pooling", ["attention", "concat"])
def test_a_classifier_begins_with_the_layers_of_the_language_model(language_model, pooling):
    task, member = built(classification(language_model, pooling=pooling), rows())
    language = recurra.load(language_model)
    learned = language.model[0].encoder.state_dict()
    assert {name: tensor.tolist() for name, tensor in member.encoder.state_dict().items()} == {
        name: tensor.tolist() for name, tensor in learned.items()
    }
    assert task.vocabulary == language.task.vocabulary
    assert task.settings.encoder == replace(ENCODER, dropout=0.2)
    assert task.settings.embedding_size == 5


def test_its_features_are_those_of_the_language_model(language_model):
    _, member = built(classification(language_model, pooling="last"), rows())
    language = recurra.load(language_model).model[0]
    ids = torch.tensor([[2, 3, 4, 5], [6, 7, 0, 0]])
    expected = torch.cat([language.encoder(ids[:1])[0][:, -1], language.encoder(ids[1:, :2])[0][:, -1]])
    raw, _ = member.eval().read(member.embed(ids), torch.tensor([4, 2]))
    torch.testing.assert_close(raw, member.output(expected))


def test_a_tagger_begins_with_the_layers_of_the_language_model_below_its_own(language_model):
    task, member = built(tagging(language_model), sentences())
    language = recurra.load(language_model)
    learned = language.model[0].encoder.state_dict()
    assert {name: tensor.tolist() for name, tensor in member.embedding.encoder.state_dict().items()} == {
        name: tensor.tolist() for name, tensor in learned.items()
    }
    assert task.words == language.task.vocabulary
    assert task.language == replace(ENCODER, dropout=0.2)
    assert task.settings.encoder == recurra.Encoder(hidden_size=7, bidirectional=True, dropout=0.2)
    assert not task.settings.lowercase
    ids = torch.tensor([[2, 3, 4, 5], [6, 7, 0, 0]])
    features, _ = language.model[0].encoder(ids)
    expected = torch.cat([learned["embedding"][ids], features], dim=-1)
    torch.testing.assert_close(member.eval().embedding(ids), expected)
    torch.testing.assert_close(member.train().embedding(ids).shape, expected.shape)


@pytest.mark.parametrize("head", ["linear", "crf"])
def test_all_weights_of_a_tagger_are_in_one_group(language_model, head):
    settings = tagging(language_model, head=head, marker_column="preds", characters="cnn")
    rows = [{"tokens": row["tokens"], "preds": [{"i": 0, "tags": row["tags"]}]} for row in sentences()]
    _, member = built(settings, rows)
    groups = member.layer_groups()
    assert sorted(map(id, (w for group in groups for w in group))) == sorted(map(id, member.parameters()))
    assert [len(group) for group in groups[:1]] == [1]
    assert len(groups) == 1 + ENCODER.layers + 1


@pytest.mark.parametrize(("zero_digits", "years"), [(False, ["1998", "<unk>"]), (True, ["0000", "0000"])])
def test_a_tagger_looks_its_tokens_up_as_the_language_model_reads_words(tmp_path, zero_digits, years):
    (tmp_path / "text.txt").write_text("In 1998 a well-known Film\n" * 100)
    settings = recurra.Generation(
        tokens=recurra.Tokens(unit="word", lowercase=True, zero_digits=zero_digits),
        encoder=ENCODER,
        embedding_size=5,
        chunk=8,
    )
    recurra.train(settings, tmp_path / "text.txt", out=tmp_path / "language", options=FEW)
    tokens = ["IN", "1998", "1999", "film", "well-known", "-"]
    task, _ = built(tagging(tmp_path / "language"), [{"tokens": tokens, "tags": list("ABABAB")}] * 20)
    inputs = task.inputs(task.settings.read([{"tokens": tokens, "tags": list("ABABAB")}]))
    assert [task.words.symbol(int(i)) for i in inputs.words.values] == ["in", *years, "film", "<unk>", "-"]


def test_going_on_with_a_language_model_begins_where_it_ended(language_model, files):
    _, member = built(recurra.Generation(from_=str(language_model)), files)
    learned = recurra.load(language_model).model[0].state_dict()
    assert all(torch.equal(weight, learned[name]) for name, weight in member.state_dict().items())
    bundle = recurra.load(language_model)
    before = bundle.evaluate(files).to_dict()
    almost = replace(FEW, steps=1, learning_rate=1e-9)
    after = recurra.train(recurra.Generation(from_=str(language_model)), files, options=almost).evaluate(files)
    assert after.to_dict()["nats"] == pytest.approx(before["nats"], rel=1e-5)


def test_symbols_that_the_language_model_lacks_are_counted(language_model, tmp_path):
    with pytest.warns(RuntimeWarning, match="60 of the 360 words of the texts are not in the vocabulary of"):
        recurra.train(classification(language_model), rows(), options=FEW)
    with pytest.warns(RuntimeWarning, match="60 of the 300 words of the sentences are not in the vocabulary of"):
        recurra.train(tagging(language_model), sentences(), options=FEW)
    (tmp_path / "new.txt").write_text("zzz the film\n" * 100)
    with pytest.warns(RuntimeWarning, match="of the training part are not in the vocabulary and are read as unknown"):
        recurra.train(recurra.Generation(from_=str(language_model)), tmp_path / "new.txt", options=FEW)


@pytest.mark.filterwarnings("ignore:.*vocabulary.*")
@pytest.mark.parametrize("name", NEW)
def test_the_new_bundle_needs_nothing_of_the_old_one(language_model, files, tmp_path, name):
    settings, data, divisor = NEW[name]
    old = shutil.copytree(language_model, tmp_path / "old")
    hashed = sha256(old / "bundle.json")
    bundle = recurra.train(settings(old), data(), out=tmp_path / "new", options=FEW)
    recurra.train(recurra.Generation(from_=old), files, out=tmp_path / "more", options=FEW)
    shutil.rmtree(old)
    loaded = recurra.load(tmp_path / "new")
    assert loaded.predict(data()).equals(bundle.predict(data()))
    assert loaded.provenance["from"] == {"source": str(old), "sha256": hashed}
    assert loaded.provenance["training"]["rate_divisor"] == divisor
    report = (tmp_path / "new" / "report.html").read_text()
    assert hashed in report
    assert f"starts from the language model {old}" in report
    assert recurra.load(tmp_path / "more").evaluate(files).to_dict()["nats"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "bundle.json",
        "report.html",
        "weights.safetensors",
    ]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"encoder": recurra.Encoder(hidden_size=7)}, r"Encoder.hidden_size\] must be 6, as in the language model"),
        ({"encoder": recurra.Encoder(cell="gru")}, "Encoder.cell"),
        ({"encoder": recurra.Encoder(layers=3)}, "Encoder.layers"),
        ({"tokens": recurra.Tokens(unit="character")}, r"Tokens.unit\] must be 'word'"),
        ({"tokens": recurra.Tokens(lowercase=True)}, "Tokens.lowercase"),
        ({"embedding_size": 9}, r"Classification.embedding_size\] must be 5"),
    ],
)
def test_settings_that_contradict_the_language_model_are_refused(language_model, tmp_path, settings, message):
    with pytest.raises(SettingsError, match=message):
        recurra.train(classification(language_model, **settings), rows(), out=tmp_path / "new", options=FEW)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"embedding_size": 9}, r"Tagging.embedding_size\] must be 5, as in the language model"),
        ({"min_count": 3}, r"Tagging.min_count\] must be 1"),
        ({"vocabulary_size": 9}, r"Tagging.vocabulary_size\] must be 30000"),
        ({"vectors": "glove.txt"}, r"Tagging.vectors\] goes not with from_"),
    ],
)
def test_what_a_tagger_takes_over_is_not_to_be_chosen(language_model, tmp_path, settings, message):
    with pytest.raises(SettingsError, match=message):
        recurra.train(tagging(language_model, **settings), sentences(), out=tmp_path / "new", options=FEW)
    assert not (tmp_path / "new").exists()


def test_a_tagger_needs_a_language_model_by_words(files, tmp_path):
    settings = recurra.Generation(tokens=recurra.Tokens(unit="character"), encoder=ENCODER, embedding_size=5, chunk=8)
    recurra.train(settings, files, out=tmp_path / "letters", options=FEW)
    with pytest.raises(SettingsError, match="a language model by words is needed, it reads characters"):
        recurra.train(tagging(tmp_path / "letters"), sentences(), out=tmp_path / "new", options=FEW)
    assert not (tmp_path / "new").exists()


@pytest.mark.filterwarnings("ignore:.*vocabulary.*")
@pytest.mark.parametrize("name", NEW)
def test_a_training_goes_on_bit_for_bit_when_the_original_is_gone(language_model, tmp_path, name):
    class Stops(Silent):
        def update(self, step: int, loss: float) -> None:
            if step == 10:
                signal.raise_signal(signal.SIGINT)

    settings, data, _ = NEW[name]
    old = shutil.copytree(language_model, tmp_path / "old")
    options = replace(FEW, unfreeze=0.3, rate_divisor=2.0)
    whole = recurra.train(settings(old), data(), options=options)
    with pytest.raises(Interrupted):
        recurra.train(settings(old), data(), out=tmp_path / "new", options=options, progress=Stops())
    shutil.rmtree(old)
    resumed = recurra.resume(tmp_path / "new")
    assert resumed.scores == whole.scores
    for one, other in zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"embedding_size": 9}, "Generation.embedding_size"),
        ({"one_hot": True}, "Generation.one_hot"),
        ({"tied": True}, "Generation.tied"),
        ({"adaptive": True}, "Generation.adaptive"),
    ],
)
def test_a_language_model_keeps_its_shape(language_model, files, settings, message):
    with pytest.raises(SettingsError, match=message):
        recurra.train(recurra.Generation(from_=str(language_model), **settings), files, options=FEW)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text": None, "sequence": "text"}, "a language model reads text"),
        ({"vectors": "glove.txt"}, "Classification.vectors"),
        ({"front": "linear"}, "nothing fits between"),
        ({"front": "convolution", "stride": 2}, "nothing fits between"),
    ],
)
def test_settings_that_fit_no_language_model_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        classification("anywhere", **settings)


def test_a_language_model_without_embeddings_is_refused(files, tmp_path):
    settings = recurra.Generation(tokens=recurra.Tokens(unit="word"), encoder=ENCODER, one_hot=True)
    recurra.train(settings, files, out=tmp_path / "one-hot", options=FEW)
    with pytest.raises(SettingsError, match="reads one-hot vectors"):
        recurra.train(classification(tmp_path / "one-hot"), rows(), options=FEW)
    with pytest.raises(SettingsError, match="reads one-hot vectors"):
        recurra.train(tagging(tmp_path / "one-hot"), sentences(), options=FEW)
    more = recurra.Generation(from_=tmp_path / "one-hot")
    assert recurra.train(more, files, options=FEW).task.settings.one_hot


def test_what_is_no_language_model_is_refused(language_model, tmp_path):
    with pytest.raises(BundleError, match="there is none"):
        recurra.train(classification(tmp_path / "absent"), rows(), options=FEW)
    damaged = shutil.copytree(language_model, tmp_path / "damaged")
    content = bytearray((damaged / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (damaged / "weights.safetensors").write_bytes(content)
    with pytest.raises(BundleError, match="it has changed"):
        recurra.train(classification(damaged), rows(), options=FEW)
    plain = recurra.Classification(text="text", label="kind", encoder=recurra.Encoder(hidden_size=4), refit=False)
    recurra.train(plain, rows(), out=tmp_path / "classifier", options=FEW)
    with pytest.raises(SettingsError, match=r"a language model is needed .*, this model is for classification"):
        recurra.train(classification(tmp_path / "classifier"), rows(), options=FEW)


@pytest.mark.parametrize("name", ["rate_divisor", "unfreeze"])
def test_options_of_transfer_are_refused_without_it(name):
    plain = recurra.Classification(text="text", label="kind", refit=False)
    with pytest.raises(SettingsError, match=rf"TrainingOptions.{name}.*starts afresh"):
        recurra.train(plain, rows(), options=replace(FEW, **{name: 1.0}))


@pytest.mark.filterwarnings("ignore:.*vocabulary.*")
def test_a_model_may_take_the_place_of_what_it_starts_from(language_model, tmp_path):
    place = shutil.copytree(language_model, tmp_path / "place")
    hashed = sha256(place / "bundle.json")
    recurra.train(classification(place), rows(), out=place, overwrite=True, options=FEW)
    assert recurra.load(place).task.name == "classification"
    assert recurra.load(place).provenance["from"]["sha256"] == hashed


@pytest.mark.filterwarnings("ignore:.*vocabulary.*")
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention", "concat"])
def test_it_is_streamed_and_exported_like_any_classifier(language_model, tmp_path, pooling):
    bundle = recurra.train(classification(language_model, pooling=pooling), rows(), options=FEW)
    expected = bundle.predict(["good film was some"]).row(0, named=True)
    session = recurra.Session(bundle)
    for word in ("good", "film", "was", "some"):
        answer = session.feed(word)
    for name, share in answer["probabilities"].items():
        assert share == pytest.approx(expected[f"p({name})"], abs=1e-5)
    exported = recurra.export(bundle, tmp_path / "model.onnx")
    assert exported.verification.largest_difference < 1e-5


@pytest.mark.filterwarnings("ignore:.*vocabulary.*")
def test_the_run_says_what_it_started_from(language_model, tmp_path):
    bundle = recurra.train(classification(language_model), rows(), out=tmp_path / "new", options=FEW)
    manifest = json.loads((tmp_path / "new" / "bundle.json").read_text())
    assert manifest["settings"]["settings"]["from_"] == str(language_model)
    assert not bundle.task.settings.encoder.bidirectional


def test_which_tasks_can_start_from_a_language_model():
    can = {name for name, settings in TASKS.items() if hasattr(settings, "adopt")}
    assert can == {"classification", "generation", "tagging"}
    assert isinstance(recurra.Classification(text="text", label="kind"), Transfers)


def test_a_tagger_is_exported_like_any_other(language_model, tmp_path):
    bundle = recurra.train(tagging(language_model), sentences(), options=FEW)
    exported = recurra.export(bundle, tmp_path / "model.onnx")
    assert exported.verification.largest_difference < 1e-5
    said, again = (one.predict(sentences()[:5]) for one in (bundle, runtime.load(exported.graph)))
    assert again.drop("probability").equals(said.drop("probability"))
    np.testing.assert_allclose(again["probability"], said["probability"], atol=1e-5)


def test_a_tagger_is_fed_token_by_token(language_model):
    forwards = recurra.Encoder(hidden_size=7)
    bundle = recurra.train(tagging(language_model, encoder=forwards), sentences(), options=FEW)
    session, tokens = recurra.Session(bundle), sentences()[0]["tokens"]
    said = [session.feed(token) for token in tokens]
    expected = bundle.predict([tokens])
    assert [one["tag"] for one in said] == expected["tag"].to_list()
    np.testing.assert_allclose([one["probability"] for one in said], expected["probability"], rtol=1e-5)
    marked = [{**row, "preds": [False] * 5} for row in sentences()]
    bundle = recurra.train(tagging(language_model, encoder=forwards, marker_column="preds"), marked, options=FEW)
    with pytest.raises(SettingsError, match=r"may be yet to come\. Train one with words of its own, not --from\."):
        recurra.Session(bundle)
