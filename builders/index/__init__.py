"""Index a release or a folder of upstream's layout where it is: tables of what lies where."""
