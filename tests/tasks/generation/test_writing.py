"""Writing: the same for the same seed, the same in one sitting and in two, ended by stop texts, never unknown."""

from __future__ import annotations

import pytest
import torch
from nonsense import options, small

import recurra
from recurra.errors import BundleError, DataError, SettingsError
from recurra.tasks.generation.continuation import Continuation


def test_it_writes_what_it_learned(bundle):
    text = bundle.generate("the cat ", length=300, temperature=0.3).text
    assert any(verb in text for verb in ("sees", "likes", "hears"))


def test_the_seed_decides(bundle):
    first = bundle.generate("the", length=80, seed=1)
    assert first.text == bundle.generate("the", length=80, seed=1).text
    assert first.text != bundle.generate("the", length=80, seed=2).text
    assert first.symbols == len(first.text) == 80
    assert bundle.generate("the", length=80).text == bundle.generate("the", length=80, seed=0).text


def test_torchs_own_generator_is_not_touched(bundle):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    bundle.generate("the", length=5)
    assert torch.equal(torch.get_rng_state(), before)


def test_it_is_shown_piece_by_piece(bundle):
    pieces = []
    written = bundle.generate("my ", length=50, show=pieces.append)
    assert "".join(pieces) == written.text
    assert len(pieces) == 50


def by_hand(bundle, prompt, length):
    """The likeliest next symbol, the whole text read anew for each."""
    ids = [0, *bundle.task.vocabulary.encode(prompt).tolist()]
    for _ in range(length):
        member = bundle.model[0]
        with torch.no_grad():
            features, _ = member.encoder(torch.tensor([ids]))
            scores = member.head.log_probabilities(features[:, -1])[0]
        scores[:2] = -torch.inf
        ids.append(int(scores.argmax()))
    return bundle.task.vocabulary.decode(ids[-length:])


def test_the_likeliest_text_is_that_of_reading_all_anew(bundle):
    expected = by_hand(bundle, "a dog ", 30)
    assert bundle.generate("a dog ", length=30, top_k=1).text == expected
    assert bundle.generate("a dog ", length=30, beam=1).text == expected
    assert bundle.generate("a dog ", length=30, temperature=0.001).text == expected


def test_a_wider_beam_finds_a_likelier_text(bundle):
    def nats(text):
        member, ids = bundle.model[0], bundle.task.vocabulary.encode("my " + text)
        inputs = torch.tensor([[0, *ids[:-1].tolist()]])
        with torch.no_grad():
            losses, _ = member.losses(inputs, torch.tensor(ids)[None], None)
        return float(losses.sum())

    narrow, wide = (bundle.generate("my ", length=20, beam=width).text for width in (1, 8))
    assert nats(wide) <= nats(narrow) + 1e-4


def test_each_way_of_sampling_has_an_effect(bundle):
    plain = bundle.generate("the", length=60, temperature=1.5).text
    for changes in ({"temperature": 0.5}, {"top_k": 2}, {"top_p": 0.5}, {"repetition_penalty": 3.0}, {"beam": 3}):
        settings = {"temperature": 1.5, **changes} if "beam" not in changes else changes
        assert bundle.generate("the", length=60, **settings).text != plain, changes


@pytest.mark.parametrize("cut", [1, 7, 39])
@pytest.mark.parametrize("way", [{"temperature": 1.2}, {"repetition_penalty": 1.5}, {"top_p": 0.9}])
def test_two_sittings_write_what_one_writes(bundle, tmp_path, cut, way):
    whole = bundle.generate("the cat", length=40, seed=4, **way)
    first = bundle.generate("the cat", length=cut, seed=4, **way)
    first.state.save(tmp_path / "state")
    second = bundle.generate(state=tmp_path / "state", length=40 - cut, **way)
    assert first.text + second.text == whole.text
    assert torch.equal(torch.cat(second.state.state), torch.cat(whole.state.state))


def test_a_prompt_can_be_given_in_two_parts(bundle):
    first = bundle.generate("the ", length=1, top_k=1)
    again = bundle.generate("the " + first.text + "dog", length=20, top_k=1)
    assert bundle.generate("dog", state=first.state, length=20, top_k=1).text == again.text


@pytest.mark.parametrize("beam", [None, 2])
def test_a_stop_text_ends_the_writing_and_is_not_written(bundle, beam):
    way = {"beam": beam} if beam else {"temperature": 0.5}
    pieces = []
    written = bundle.generate("the cat", length=200, stop=(".\n", "!\n"), show=pieces.append, **way)
    assert written.stopped == "stop"
    assert ".\n" not in written.text
    assert "!\n" not in written.text
    assert written.symbols < 200
    assert "".join(pieces) == written.text
    free = bundle.generate("the cat", length=200, **way).text
    ends = [free.find(stop) for stop in (".\n", "!\n") if stop in free]
    assert written.text == free[: min(ends)]
    assert bundle.generate("the cat", length=20, stop="never this", **way).stopped == "length"


def test_unknown_symbols_of_a_prompt_are_counted_and_said(bundle):
    written = bundle.generate("the Ωmega Ω", length=5)
    assert written.notices == (
        "2 characters of the prompt came in no training text, first 'Ω'; they are read as unknown",
    )
    assert bundle.generate("the", length=5).notices == ()
    assert "\ufffd" not in bundle.generate("ΩΩΩ", length=300, temperature=5.0).text


def test_words_are_joined_to_the_prompt_by_spaces(text):
    settings = small(tokens=recurra.Tokens(unit="word"))
    bundle = recurra.train(settings, text, options=options(steps=400))
    assert bundle.generate("the", length=1, top_k=1).text in (" cat", " sun.")
    pieces = []
    written = bundle.generate("my aunt", length=30, show=pieces.append)
    assert "".join(pieces) == written.text
    assert "  " not in written.text
    first = bundle.generate("my aunt", length=10)
    assert first.text + bundle.generate(state=first.state, length=20).text == written.text


def test_characters_of_several_bytes_are_shown_whole(tmp_path):
    path = tmp_path / "bytes.txt"
    path.write_text("grün 北京 🙂 " * 150)
    bundle = recurra.train(
        small(tokens=recurra.Tokens(unit="byte"), chunk=24), path, options=options(steps=400, batch_size=2)
    )
    pieces = []
    bundle.generate("grün 北", length=60, top_k=1, show=pieces.append)
    text = "".join(pieces)
    assert "京" in text
    assert "🙂" in text
    assert all(len(piece) <= 1 for piece in pieces)


def test_a_state_of_another_model_is_refused(bundle, text, tmp_path):
    other = recurra.train(small(), text, options=options(steps=2))
    other.generate("the", length=2).state.save(tmp_path / "state")
    with pytest.raises(DataError, match="of this very model"):
        bundle.generate(state=tmp_path / "state", length=3)


def test_damaged_states_are_refused(bundle, tmp_path):
    path = tmp_path / "state"
    bundle.generate("the", length=4).state.save(path)
    whole = path.read_bytes()
    assert Continuation.load(path).unread == bundle.generate("the", length=4).state.unread
    for place in range(0, len(whole), 13):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BundleError, match="must be a state that was saved"):
            Continuation.load(path)
    path.write_bytes(whole[:-5])
    with pytest.raises(BundleError, match="must be a state"):
        Continuation.load(path)
    with pytest.raises(BundleError, match="there is none"):
        Continuation.load(tmp_path / "absent")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": 0}, "temperature"),
        ({"top_k": 0}, "top_k"),
        ({"top_p": 1.5}, "top_p"),
        ({"length": 0}, "length"),
        ({"stop": ("",)}, "must have characters"),
        ({"beam": 2, "top_k": 3}, "a beam draws nothing"),
        ({"warmth": 1}, "no such setting.*temperature"),
    ],
)
def test_bad_sampling_is_refused(bundle, values, message):
    with pytest.raises(SettingsError, match=message):
        bundle.generate("the", **values)
