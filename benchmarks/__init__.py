"""What Wattstat costs and how it stands beside its peers."""
