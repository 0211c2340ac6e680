"""The forecaster behind LitServe, in an environment that has it; ``throughput.py --litserve`` starts this.

    python benchmarks/serving/litserve_side.py MODEL PORT

The bundle's own code checks, computes in batches and words the answers, as it does in ``recurra serve``: what differs
is the server around it.
"""

import sys
from typing import Any

import litserve
import torch
from fastapi import Request

import recurra

LONGEST = 1000


class Forecast(litserve.LitAPI):
    """One request with the columns of the training file, one answer."""

    def __init__(self, folder: str) -> None:
        super().__init__(max_batch_size=32, batch_timeout=0.002)  # as recurra waits
        self.folder = folder

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        torch.set_num_threads(1)
        self.bundle = recurra.load(self.folder)

    def decode_request(self, request: Request) -> Any:
        """LitServe takes its way to read from the annotation, and gives the object that was read."""
        return self.bundle.task.check(request["input"], LONGEST)

    def predict(self, checked: list[Any]) -> list[Any]:
        said = self.bundle.task.answer(self.bundle.model, checked)
        return list(zip(checked, said, strict=True))

    def encode_response(self, answered: Any) -> dict[str, Any]:
        return {"prediction": self.bundle.task.tell(*answered)}


if __name__ == "__main__":
    server = litserve.LitServer(Forecast(sys.argv[1]), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="warning")
