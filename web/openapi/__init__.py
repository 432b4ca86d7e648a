"""The document `/openapi.json`, of the types that decode requests and of the table of errors."""
