"""Where the time of a program goes, by operation, as ``torch.profiler`` tells it."""

from __future__ import annotations

from .profile import ProfilerActivity, profile, record_function, schedule
from .report import Averages, Row

__all__ = ["Averages", "ProfilerActivity", "Row", "profile", "record_function", "schedule"]
