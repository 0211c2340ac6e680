"""What measurements share, for the scripts of this folder."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from measuring import data_file, film_sentences, keep

__all__ = ["data_file", "film_sentences", "keep"]
