"""Who may import whom, as pyproject.toml says."""

import shutil
import subprocess
import sys
from pathlib import Path


def test_rooms_import_downwards_only():
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert command, "import-linter is not installed; pip install '.[test]'"
    root = Path(__file__).parents[1]
    result = subprocess.run([command, "--no-cache"], cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
