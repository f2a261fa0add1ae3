"""Built-in plugins: they come in through the same entry points as anybody's."""
