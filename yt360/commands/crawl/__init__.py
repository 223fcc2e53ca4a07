"""Commands that search and download."""
