"""The agent's journal.

`keeper` what is written into it and read from it · `ring` the entries of two hours · `boundaries` true starts and ends, as
`boundary` has them told and `spool` keeps them over the agent's death · `peer` who may tell.
"""
