"""Whether a long answer leaves the page responsive: `python -m tools.page_trace`."""
