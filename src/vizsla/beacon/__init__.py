"""Beacons: programs that call home at intervals. One pass over connections, one small state per pair and day.

`contacts` says who reached whom, by address and by name; `sketch` reduces that to a bounded state per pair and day,
which merges; `regular` tells how regular intervals and sizes are, with a p-value; `weigh` adds what speaks for an
intruder beside; `listed` is the list that people read.
"""
