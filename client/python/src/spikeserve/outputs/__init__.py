"""What is made of the values that a run answers, beside the server."""
