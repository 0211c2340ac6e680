import hashlib

import pytest

from recurra.files import alone_in, atomic_path, sha256, sweep, write_atomically


def test_a_file_replaces_the_old_one_whole(tmp_path):
    write_atomically(tmp_path / "a", b"old")
    write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    write_atomically(tmp_path / "a", b"old")

    def fail():
        with atomic_path(tmp_path / "a") as unfinished:
            unfinished.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_sweep_removes_left_overs_only(tmp_path):
    write_atomically(tmp_path / "a", b"1")
    (tmp_path / ".unfinished-1-abcd-a").write_bytes(b"ha")
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_is_held_by_one_writer_at_a_time(tmp_path):
    with alone_in(tmp_path), pytest.raises(BlockingIOError), alone_in(tmp_path):
        pass
    with alone_in(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
