"""Commands about dataset folders."""
