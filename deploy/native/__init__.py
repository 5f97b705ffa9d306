"""The native stack: everything on one machine, without Docker and without root.

`bootstrap.py` runs on the system's Python and makes the virtual environment and the engines; the rest runs
on the environment's Python. Modules that the bootstrap needs import the standard library only; they say so.
"""
