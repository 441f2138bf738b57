import sys
from pathlib import Path

# The scripts find `harness` beside them; so do these tests, and the processes that it starts for them.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
