"""All examples go to one server and one scripted model."""

from tests.support.running_server import model_is_cleared, running_server

__all__ = ["model_is_cleared", "running_server"]
