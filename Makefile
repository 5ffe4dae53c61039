# `make test` installs what is missing and runs every test.
.PHONY: test bootstrap
bootstrap:
	tools/bootstrap.sh

test: bootstrap
	cmake --preset release
	cmake --build --preset release
	ctest --preset release
