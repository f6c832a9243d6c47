"""What writes to devices, and reads back."""
