"""Where crystals come from: the built-in library, files, databases; and which are accepted."""
