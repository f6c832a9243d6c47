"""The agent's journal.

`ring` the entries of two hours · `keeper` what is written into it and read from it.
"""
