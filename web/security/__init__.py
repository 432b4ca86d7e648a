"""Who asks, under which name and from which site; the headers that protect the reader."""
