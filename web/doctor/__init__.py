"""`flask sluice doctor`: checks a deployment from outside, as a browser meets it."""
