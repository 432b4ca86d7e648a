"""Generated input, far from what anybody would write by hand: requests, and bytes of a model.

Without a profile the examples are the same on every run and every machine (`derandomize`): `make test` then fails
where somebody changed something, and not by the luck of the draw. `HYPOTHESIS_PROFILE=long` draws 10,000 new ones
each time, and keeps those that failed in `.hypothesis` to be tried first on the next run.
"""
