"""Where things run."""

# The folder stands at the top of the repository; its generic name must not be importable as such,
# because jobflow stores import paths in the database.
if __name__ != "surfalign.launchers":
    raise ImportError("import this package as surfalign.launchers")
