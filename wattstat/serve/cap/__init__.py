"""The agent's guarded endpoint for power limits.

`order` what core may ask · `record` what outlives the agent: the highest fencing token, the operator's values, the safe caps ·
`memory` that it is on disk · `boards` the GPUs through the agent's session with NVML · `rules` who owns a limit, and what may
be written · `duties` what the agent sets by itself · `guard` all of it together, with the dead-man · `http` the calls.
"""
