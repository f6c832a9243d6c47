"""What may be written: the last word before a device, the leader's lease, the brake."""
