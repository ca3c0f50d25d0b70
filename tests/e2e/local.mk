# End to end: real daemons, foreign clients and servers.
E2E_TESTS = tests/e2e/letter.py tests/e2e/fanout.py tests/e2e/postfix.py tests/e2e/cells.py tests/e2e/errors.py tests/e2e/reload.py \
	tests/e2e/edges.py tests/e2e/mailboxes.py tests/e2e/many.py tests/e2e/sync.py tests/e2e/hostile.py tests/e2e/spooltools.py tests/e2e/postfix_tls.py \
	tests/e2e/logins.py tests/e2e/keys.py tests/e2e/passwords.py \
	tests/e2e/tls_clients.py tests/e2e/bench.py tests/e2e/bench_run.py tests/e2e/tls_records.py tests/e2e/hostile_servers.py tests/e2e/smuggling.py tests/e2e/tls_hostile.py tests/e2e/flushes.py
TESTS += $(E2E_TESTS)
EXTRA_DIST += tests/e2e/harness.py tests/e2e/postfix_peer.py tests/e2e/line.py tests/e2e/memory.py tests/e2e/rawtls.py $(E2E_TESTS)
