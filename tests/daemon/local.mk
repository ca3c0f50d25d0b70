# tests/daemon
DAEMON_TEST_LIBS = $(DAEMON_LIBS) $(UNIT_LIBS) $(SYS_LIBS)

UNIT_TESTS += tests/daemon/test-conf
tests_daemon_test_conf_SOURCES = %D%/test-conf.c
tests_daemon_test_conf_LDADD = $(DAEMON_TEST_LIBS)

# The table of options as text, for tests/lint/man-options.t.
check_PROGRAMS += tests/daemon/conf-options
tests_daemon_conf_options_SOURCES = %D%/conf-options.c
tests_daemon_conf_options_LDADD = $(DAEMON_LIBS) $(SYS_LIBS)

UNIT_TESTS += tests/daemon/test-conn
tests_daemon_test_conn_SOURCES = %D%/test-conn.c
tests_daemon_test_conn_LDADD = $(DAEMON_LIBS) $(UNIT_LIBS) $(SYS_LIBS)

UNIT_TESTS += tests/daemon/test-edge
tests_daemon_test_edge_SOURCES = %D%/test-edge.c
tests_daemon_test_edge_LDADD = $(DAEMON_TEST_LIBS)

UNIT_TESTS += tests/daemon/test-places
tests_daemon_test_places_SOURCES = %D%/test-places.c
tests_daemon_test_places_LDADD = $(DAEMON_TEST_LIBS)

UNIT_TESTS += tests/daemon/test-token
tests_daemon_test_token_SOURCES = %D%/test-token.c
tests_daemon_test_token_LDADD = common/daemon/libdaemon.a $(BASE_LIBS) $(CRYPTO_LIBS) $(UNIT_LIBS) $(BSD_LIBS)
# Tries to break out of every kind of cell. It speaks TAP itself.
check_PROGRAMS += tests/daemon/cell-probe
TESTS += tests/daemon/cell-probe
tests_daemon_cell_probe_SOURCES = %D%/cell-probe.c
tests_daemon_cell_probe_LDADD = $(DAEMON_LIBS) $(SYS_LIBS)

UNIT_TESTS += tests/daemon/test-tls
tests_daemon_test_tls_SOURCES = %D%/test-tls.c tests/lib/tls.c tests/lib/tls.h
tests_daemon_test_tls_LDADD = $(DAEMON_TEST_LIBS)

UNIT_TESTS += tests/daemon/test-tls-wire
tests_daemon_test_tls_wire_SOURCES = %D%/test-tls-wire.c tests/lib/tls.c tests/lib/tls.h
tests_daemon_test_tls_wire_LDADD = $(DAEMON_TEST_LIBS)

UNIT_TESTS += tests/daemon/test-tls-client
tests_daemon_test_tls_client_SOURCES = %D%/test-tls-client.c tests/lib/tls.c tests/lib/tls.h
tests_daemon_test_tls_client_LDADD = $(DAEMON_TEST_LIBS)
