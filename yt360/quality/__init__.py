"""Quality of recordings: checks, the inspection that runs them, and the decision."""
