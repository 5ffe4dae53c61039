"""From network definitions to NIR files."""
