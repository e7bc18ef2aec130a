"""A page on which a person reviews a release: no server, no build step, nothing fetched from elsewhere.

`rows` says which samples are shown and what the tables say of them; `panes` and `clip` make the small media
of one, `make` does so for all and resumes; `page` writes the data beside the page itself, which is plain
HTML, CSS and scripts in `page/`.
"""
