"""What measurements share, for the scripts of this folder."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from measuring import keep

__all__ = ["keep"]
