"""All examples go to one server and one scripted model."""

from tests.support.house import house, no_script_is_left_over

__all__ = ["house", "no_script_is_left_over"]
