#!/bin/sh
# Tells the node's Wattstat agent that a job starts here: it reads the GPUs' energy counters at once.
# For slurm.conf:  Prolog=/etc/slurm/prolog.d/*  and  PrologFlags=Alloc   (see docs/schedulers.md)
#
# A prolog that fails drains the node, one that hangs holds up the job: this one ends with 0 within two seconds, come what may,
# and prints nothing: what a task prolog prints becomes part of the job.
# Slurm gives it no search path: whole paths only.
# Its GPUs' numbers are minor numbers; with AutoDetect=nvml in gres.conf add: --gpu-order pci
# With `cluster` in wattstat.yaml add: --scheduler slurm:<cluster>
/usr/bin/timeout --kill-after=1 2 "${WATTSTAT:-/opt/wattstat/bin/wattstat}" slurm-prolog </dev/null >/dev/null 2>&1
exit 0
