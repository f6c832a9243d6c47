"""A simulated hall behind the devices' own protocols."""
