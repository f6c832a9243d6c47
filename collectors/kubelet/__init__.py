"""Which pod holds which GPU of this node, as the kubelet's pod-resources service tells it. Part of the agent."""
