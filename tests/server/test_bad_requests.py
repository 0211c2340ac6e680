"""Whatever comes, the answer is a status and a sentence, and the next request is answered."""

from __future__ import annotations

import io

import numpy as np
import pytest

from server.running import wait_until

JSON = {"Content-Type": "application/json"}
ARRAY = {"Content-Type": "application/x-npy"}

CONTENT = {
    "no body": (b"", "JSON in UTF-8 must come"),
    "no JSON": (b"{", "JSON in UTF-8 must come"),
    "NaN": (b'{"input": NaN}', "JSON in UTF-8 must come"),
    "no UTF-8": (b'{"input": "\xff"}', "JSON in UTF-8 must come"),
    "half a surrogate": (b'{"input": "\\ud800"}', "JSON in UTF-8 must come"),
    "deep": (b"[" * 5000, "JSON in UTF-8 must come"),
    "a list": (b"[1]", "an object with one field"),
    "both": (b'{"input": "a", "inputs": ["b"]}', "an object with one field"),
    "something else": (b'{"text": "a"}', "an object with one field"),
    "no inputs": (b'{"inputs": []}', "a list of one sequence or more"),
    "inputs no list": (b'{"inputs": "a"}', "a list of one sequence or more"),
    "an empty text": (b'{"input": "  "}', "an empty text came"),
    "a number": (b'{"input": 3}', "a text must come, a number did"),
    "one bad of two": (b'{"inputs": ["a", {}]}', "inputs[1]: request] a text must come, an object did"),
}


@pytest.mark.parametrize(("body", "words"), CONTENT.values(), ids=CONTENT)
def test_content_that_is_no_text(server, body, words):
    answer = server.post("mail/predict", content=body, headers=JSON)
    assert answer.status_code == 422
    assert words in answer.json()["error"]
    assert server.ask("mail", "win")["label"]


SENTENCES = {
    "a text": ("names", "Ann sees Rome", "an object must come, a text did"),
    "nothing": ("names", {}, "there must be a field 'tokens'"),
    "another field": ("names", {"tokns": ["a"]}, "Did you mean 'tokens'?"),
    "marks that are not read": ("names", {"tokens": ["a"], "marks": [True]}, "there is no field 'marks'"),
    "tokens no list": ("names", {"tokens": "Ann sees"}, "'tokens' must be a list, a text came"),
    "no tokens": ("names", {"tokens": []}, "a sentence without tokens came"),
    "a number": ("names", {"tokens": ["a", 3]}, "tokens[1] must be a text, a number came"),
    "an empty token": ("names", {"tokens": ["a", " "]}, "tokens[1] must not be empty"),
    "too many tokens": ("names", {"tokens": ["a"] * 10_001}, "10,000 steps at most"),
    "no marks": ("roles", {"tokens": ["a"]}, "there must be a field 'marks'"),
    "few marks": ("roles", {"tokens": ["a", "b"], "marks": [True]}, "each of 2 tokens must have a mark, 1 came"),
    "marks that are none": ("roles", {"tokens": ["a"], "marks": [1]}, "marks[0] must be true or false, a number came"),
}


@pytest.mark.parametrize(("model", "content", "words"), SENTENCES.values(), ids=SENTENCES)
def test_content_that_is_no_sentence(server, model, content, words):
    answer = server.post(f"{model}/predict", json={"input": content})
    assert answer.status_code == 422
    assert words in answer.json()["error"]


NUMBERS = {
    "no list": ("5", "a list must come, a number did"),
    "empty": ("[]", "must be [steps, 2]"),
    "of other width": ("[[1, 2, 3]]", "must be [steps, 2], it is [1, 3]"),
    "ragged": ("[[1, 2], [3]]", "as many values as the first"),
    "mixed": ("[[1, 2], 3]", "as many values as the first"),
    "a text": ('[[1, "2"]]', "every value must be a number, a text came"),
    "true": ("[[1, true]]", "every value must be a number, true or false came"),
    "missing": ("[[1, null]]", "a number must come, none did"),
    "too large": ("[[1, 1e300]]", "must be within ±3e+38"),
    "far too large": ("[[1, 1e999]]", ""),
    "of many digits": (f"[[1, {'9' * 400}]]", "must be within ±3e+38"),
    "deep": ("[[[1, 2]]]", ""),
}


@pytest.mark.parametrize(("steps", "words"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_that_are_none(server, steps, words):
    answer = server.post("moves/predict", content=f'{{"input": {steps}}}', headers=JSON)
    assert answer.status_code == 422
    assert words in answer.json()["error"]


WINDOWS = {
    "no object": ([1, 2], "an object with the columns"),
    "unknown column": ({"x": [1.0] * 9, "y": 1}, "there is no such column. Known: step, x."),
    "no target": ({"step": 3}, "'x'] this column is needed"),
    "too short": ({"x": [1.0]}, "past steps or more are needed, 1 came"),
    "nothing known": ({"x": [None] * 9}, "past steps or more are needed, 0 came"),
    "a hole": ({"x": [1.0, None, *[1.0] * 9]}, "every past step must have a target"),
    "deep": ({"x": [[1.0]] * 9}, ""),
    "a time that is no number": ({"x": [1.0] * 9, "step": "monday"}, ""),
    "times with a gap": ({"x": [1.0] * 9, "step": [1, 2, 4]}, ""),
    "times backwards": ({"x": [1.0] * 9, "step": [3, 2, 1]}, ""),
    "times of several kinds": ({"x": [1.0] * 9, "step": [1, None]}, "texts or whole numbers"),
    "too many times": ({"x": [1.0] * 9, "step": list(range(12))}, "or up to 9, 12 did"),
    "a time beyond the end of time": ({"x": [1.0] * 9, "step": 10**30}, ""),
}


@pytest.mark.parametrize(("window", "words"), WINDOWS.values(), ids=WINDOWS)
def test_windows_that_cannot_be_forecast(server, window, words):
    answer = server.post("steps/predict", json={"input": window})
    assert answer.status_code == 422
    assert words in answer.json()["error"]


def test_covariates_must_reach_as_far_as_they_are_known(server, sales):
    good = {
        "day": "2021-01-01", "sold": [50.0] * 20, "rain": [0.5] * 20, "holiday": ["work"] * 24,
        "shop": "north", "city": "Graz",
    }  # fmt: skip
    assert server.ask("sales", good)["day"][0] == "2021-01-21"
    for change, words in (
        ({"rain": [0.5] * 19}, "for each of 20 past steps"),
        ({"holiday": ["work"] * 23}, "the past and 4 steps ahead"),
        ({"holiday": "work"}, "a list of its values"),
        ({"shop": 3}, "the name of the series must be a text"),
        ({"day": "2021-02-30"}, ""),
        ({"day": "soon"}, ""),
        ({"city": None}, "it must have a value"),
    ):
        answer = server.post("sales/predict", json={"input": good | change})
        assert answer.status_code == 422
        assert words in answer.json()["error"]


ARRAYS = {
    "nothing": b"",
    "another head": b"\x93NUMPY\x02\x00" + b" " * 200,
    "a pickle": b"\x80\x04\x95.",
    "objects": b"\x93NUMPY\x01\x00\x46\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(79)
    + b"\n....",
    "a shape that is too large": b"\x93NUMPY\x01\x00\x76\x00"
    + b"{'descr': '<f8', 'fortran_order': False, 'shape': (999999999, 999999999), }".ljust(117)
    + b"\n",
    "code": b"\x93NUMPY\x01\x00\x76\x00" + b"__import__('os').system('touch /tmp/owned')".ljust(117) + b"\n",
}


def test_an_array_is_no_sentence(server):
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    answer = server.post("names/predict", content=file.getvalue(), headers=ARRAY)
    assert answer.status_code == 422
    assert "this model reads tokens, an array of numbers came" in answer.json()["error"]


@pytest.mark.parametrize("body", ARRAYS.values(), ids=ARRAYS)
def test_arrays_that_are_none(server, body):
    answer = server.post("steps/predict", content=body, headers=ARRAY)
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_other_kinds_addresses_and_methods(server):
    assert server.post("mail/predict", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
    assert server.post("mail/predict", content=b"{}").status_code == 415
    assert server.post("mails/predict", json={"input": "a"}).status_code == 404
    assert "Did you mean 'mail'?" in server.post("mails/predict", json={"input": "a"}).json()["error"]
    assert server.client.get("/v1/models/mail/predict").status_code == 405
    assert server.client.get("/nothing").status_code == 404
    assert server.post("prose/predict", json={"input": "a"}).status_code == 409
    assert server.post("mail/generate", json={}).status_code == 409
    assert server.post("steps/explain", json={"input": {}}).status_code == 409
    assert server.client.get("/static/../settings.py").status_code == 404
    assert server.client.get("/static/%2e%2e/settings.py").status_code == 404


ORDERS = [{"length": 0}, {"length": "a"}, {"heat": 1}, {"top_p": 2}, {"prompt": 3}, {"stop": [""]}]


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_texts_that_cannot_be_written(server, order):
    answer = server.post("prose/generate", json=order)
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_a_fault_of_our_own_is_told_to_the_log_without_values(server, monkeypatch, caplog):
    words = "my secret"

    def fail(*given):
        raise ValueError(words)

    monkeypatch.setattr(type(server.service.models.get("mail").bundle.task), "tell", fail)
    answer = server.post("mail/predict", json={"input": words})
    assert answer.status_code == 500
    assert "internal error" in answer.json()["error"]
    wait_until(lambda: "ValueError" in caplog.text)  # it is logged after the answer
    assert "asking.py" in caplog.text
    assert words not in caplog.text + answer.text
