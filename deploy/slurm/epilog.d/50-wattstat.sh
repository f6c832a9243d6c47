#!/bin/sh
# Tells the node's Wattstat agent that a job ends here: it reads the GPUs' energy counters at once.
# For slurm.conf:  Epilog=/etc/slurm/epilog.d/*   (see docs/schedulers.md)
#
# An epilog that fails drains the node, one that hangs keeps its GPUs: this one ends with 0 within two seconds, come what may,
# and prints nothing.
# Slurm gives it no search path: whole paths only.
# Its GPUs' numbers are minor numbers; with AutoDetect=nvml in gres.conf add: --gpu-order pci
# With `cluster` in wattstat.yaml add: --scheduler slurm:<cluster>
/usr/bin/timeout --kill-after=1 2 "${WATTSTAT:-/opt/wattstat/bin/wattstat}" slurm-epilog </dev/null >/dev/null 2>&1
exit 0
