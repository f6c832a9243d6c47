"""What people want: policies, when they hold, what they ask of devices, who approved them."""
