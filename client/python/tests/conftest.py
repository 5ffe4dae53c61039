pytest_plugins = ["fake_fixtures"]
