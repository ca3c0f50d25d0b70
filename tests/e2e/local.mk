# End to end: real daemons, foreign clients and servers.
E2E_TESTS = tests/e2e/letter.py
TESTS += $(E2E_TESTS)
EXTRA_DIST += tests/e2e/harness.py $(E2E_TESTS)
