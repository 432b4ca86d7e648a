"""Hours in minutes: the real server under load, with clients that disconnect and a model that fails, by a seed.

`python -m tools.soak --minutes 10 --seed 1` writes build/soak/report.html; `make test` runs a short one.
"""
