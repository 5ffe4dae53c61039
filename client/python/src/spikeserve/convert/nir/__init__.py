"""From NIR files, which are spiking networks already, to network definitions."""
