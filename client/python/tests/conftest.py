pytest_plugins = ["fake_fixtures", "client_table"]
