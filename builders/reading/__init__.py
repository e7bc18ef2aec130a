"""Open any artifact of any sample where it is: a loose file, a tar, or a Hub.

Index a release or a folder of upstream's layout where it is: tables of what lies where.
"""
