"""What must hold for the packages as they are released."""
