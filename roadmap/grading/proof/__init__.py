"""A pass needs proof: what cannot forge is read, all else runs again with twins of its checks."""
