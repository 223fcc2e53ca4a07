"""Places in the repository that tests read."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FIXTURES = REPOSITORY / "tests" / "fixtures"
TOOLS = REPOSITORY / "tools"
