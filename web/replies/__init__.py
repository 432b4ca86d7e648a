"""Bodies of replies on their way to the client, and the limits of their writes."""
