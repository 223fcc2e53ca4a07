"""Search, choice of formats and download."""
