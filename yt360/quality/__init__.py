"""Quality of recordings: the checks, the inspection that runs them, and the decision."""
