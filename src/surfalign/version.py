"""The version. It stands alone because nothing inside of surfalign imports the public interface."""

__version__ = "0.2.0"
