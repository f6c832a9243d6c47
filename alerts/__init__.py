"""What is wrong and who must know: rules and findings, their evaluation on the history, delivery, health scores."""
