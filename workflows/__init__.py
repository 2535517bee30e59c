"""From crystals to levels, by graphs."""

# The folder stands at the top of the repository; its generic name must not be importable as such,
# because jobflow stores import paths in the database.
if __name__ != "surfalign.workflows":
    raise ImportError("import this package as surfalign.workflows")
