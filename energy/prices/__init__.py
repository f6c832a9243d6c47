"""What energy costs and stands for: tariffs, carbon by constant, file or service."""
