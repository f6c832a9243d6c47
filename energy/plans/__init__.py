"""Plans of training runs: days, energy, cost and carbon, with intervals, learnt from the site's own jobs."""
