"""The program that decodes: a server that forks, a keeper and a child for each job. Only it imports PyAV and numpy.

Nothing else of Pegasus is imported here, and nothing here is imported by the rest: a job comes and goes as JSON.
"""
