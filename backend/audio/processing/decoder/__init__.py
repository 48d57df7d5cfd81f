"""The program that decodes: a server that forks, and a supervisor and a child for each job.

Only it imports PyAV and numpy. It imports nothing else of Pegasus, which doesn't import it either: requests and answers
are JSON.
"""
