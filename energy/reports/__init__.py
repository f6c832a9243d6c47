"""What people ask the books: lists, reports, balances, findings, what services answered."""
