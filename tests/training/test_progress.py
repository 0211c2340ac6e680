import io

import pytest

from recurra.training.history import Epoch
from recurra.training.progress import Bar, Lines, Silent, progress_on


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_when_the_output_is_no_terminal(small):
    stream = io.StringIO()
    progress = progress_on(stream)
    assert isinstance(progress, Lines)
    progress.stage("member 2 of 5")
    _, trained = small.fit(progress=progress)
    first, last = stream.getvalue().splitlines()  # the one between came too soon
    epoch = trained.history[0]
    assert first.startswith(
        f"member 2 of 5: step 4 of 12, loss {epoch.loss:.4g}, validation {epoch.validation:.4g}, 0:0"
    )
    assert last.startswith("member 2 of 5: step 12 of 12, loss ")
    assert last.endswith(", 0:00 left")


def test_lines_say_where_a_run_goes_on(small, die_at, killed, tmp_path):
    with pytest.raises(killed):
        small.fit(tmp_path, loss=die_at(8), checkpoint_steps=3)
    (tmp_path / "checkpoint-6.json").unlink()
    stream = io.StringIO()
    small.fit(tmp_path, progress=Lines(stream), checkpoint_steps=3)
    damaged, going_on, *_ = stream.getvalue().splitlines()
    assert damaged.startswith("notice: The checkpoint of step 6 in ")
    assert going_on == "training: going on from step 3 of 12"


def test_a_bar_on_a_terminal(small):
    stream = Terminal()
    progress = progress_on(stream)
    assert isinstance(progress, Bar)
    progress.stage("member 1 of 2")
    _, first = small.fit(progress=progress)
    progress.stage("member 2 of 2")
    small.fit(progress=progress)
    text = stream.getvalue()
    assert "member 1 of 2" in text
    assert "member 2 of 2" in text
    assert "12/12" in text
    assert f"validation {first.history[-1].validation:.4g}" in text
    assert "0:00 left" in text


def test_a_bar_is_drawn_a_few_times_a_second_only():
    stream = Terminal()
    bar = Bar(stream)
    bar.start(0, 10_000)
    for step in range(1, 10_000):
        bar.update(step, 1.0)
    bar.stop()
    assert stream.getvalue().count("/10000") < 100


def test_notices_appear_in_each_form():
    bar, lines = Terminal(), io.StringIO()
    Bar(bar).notice("before the bar [1]")
    running = Bar(bar)
    running.start(0, 10)
    running.notice("above [the] bar")
    running.stop()
    Lines(lines).notice("a line")
    assert "before the bar [1]" in bar.getvalue()
    assert "above [the] bar" in bar.getvalue()
    assert lines.getvalue() == "notice: a line\n"
    with pytest.warns(RuntimeWarning, match="a warning"):
        Silent().notice("a warning")


def test_silent_prints_nothing(small, capsys):
    small.fit(progress=Silent())
    assert capsys.readouterr() == ("", "")


def test_without_validation_there_is_no_score():
    stream = io.StringIO()
    lines = Lines(stream)
    lines.start(0, 8)
    lines.validated(Epoch(epoch=1, step=4, loss=0.5, validation=None, learning_rate=0.1, seconds=1.0))
    assert stream.getvalue().startswith("training: step 4 of 8, loss 0.5, 0:0")
