"""The tests share a server and a scripted model, unless they need settings of their own."""

from tests.house import house, no_script_is_left_over

__all__ = ["house", "no_script_is_left_over"]
