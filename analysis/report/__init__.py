"""One HTML file that shows runs and answers a reader's questions: no server, no network, no framework."""
