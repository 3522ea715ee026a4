"""The models of the lectures, one file each: ``python -m models.NAME train|sample|eval``."""
