"""Code: small functions, judged by hidden tests in a sandbox."""
