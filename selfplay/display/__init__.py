"""What people see in the terminal, and numbers and texts as they are written for them."""
