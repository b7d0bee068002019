"""Sites: which modules they are in a network, whether they are what they seem, and how they are read and edited."""
