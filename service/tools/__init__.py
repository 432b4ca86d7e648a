"""Tools of the application: described to the model, called by it, and the loop that gives it their results."""
