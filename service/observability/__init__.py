"""What is counted and logged, and what a process has left. It never fails what it observes."""
