"""`make bench`: Sluice beside its peers in one run, in CPU time of the server's processes."""
