import subprocess
import sys
from pathlib import Path


def test_kills_change_nothing():
    """The short form of ``benchmarks/faults/kill_training.py``."""
    script = Path(__file__).parents[2] / "benchmarks" / "faults" / "kill_training.py"
    done = subprocess.run([sys.executable, script, "--kills", "3", "--seed", "3"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kills (" in done.stdout
    assert ": 0 differences" in done.stdout
