"""The surfalign command line: one file per noun."""
