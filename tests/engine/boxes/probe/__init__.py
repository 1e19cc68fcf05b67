"""A stand-in for the harness: runs the code that the request carries and answers with what it found."""
