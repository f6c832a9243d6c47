"""One module a page: `layout` builds its frame, `register` its callbacks."""
