"""The routes of OpenAI's API: what the clients of that API expect, over the same runs."""
