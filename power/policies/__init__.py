"""What people want: policies, holds and emergencies, and what they ask of every device at one moment."""
