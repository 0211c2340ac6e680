"""Schemathesis against the OpenAPI document: requests made from the schemas of the models, good ones and bad ones.

    pip install schemathesis && python benchmarks/serving/schema.py [--examples 200]

Everything that it checks by default is checked, but for what a schema cannot say: a request may be right by the
schema and still be refused with 422, such as columns of different lengths.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys

from record import keep
from served import Served, classifier, forecaster, scratch


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=200)
    examples, folder = parser.parse_args().examples, scratch()
    server = Served(f"sales={forecaster(folder / 'sales')}", f"mail={classifier(folder / 'mail')}")
    command = ["schemathesis", "run", f"http://127.0.0.1:{server.port}/openapi.json"]
    options = ["--max-examples", str(examples), "--seed", "1", "--exclude-checks", "positive_data_acceptance"]
    done = subprocess.run([*command, *options, "--no-color"], capture_output=True, text=True, check=False)
    said, faults = done.stdout + done.stderr, server.said().count("internal error")
    server.stop()
    found = re.findall(r"^\s*(\d[\d,]* .*(?:generated|passed|failed|found).*)$", said, re.MULTILINE)
    keep("schema", {"exit status": done.returncode, "said": found, "internal errors": faults})
    if done.returncode:
        print(said[-6000:])
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
