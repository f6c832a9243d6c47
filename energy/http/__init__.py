"""The public calls about energy and the shapes of their answers."""
