"""The routes for `useChat` of the AI SDK, over the same runs as `/api/chat`."""
