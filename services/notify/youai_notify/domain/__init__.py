"""What notify decides, pure: who is owed which notification (`owed`), and what it says (`texts`)."""
