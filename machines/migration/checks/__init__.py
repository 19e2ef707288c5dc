"""What would hinder a migration, told before it is asked for: pure rules over what rows say of the machine and of both hosts.

facts    what the rules know
rules    one function for each thing that can be in the way
gather   the facts, from rows
"""
