"""Bytes of a provider's reply -> events. No I/O and no clock."""
