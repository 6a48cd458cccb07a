"""The city that the demo loads: data files, and the script that makes them."""
