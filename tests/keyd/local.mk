# tests/keyd
KEYD_TEST_LIBS = $(KEYD_LIBS) $(UNIT_LIBS)

UNIT_TESTS += tests/keyd/test-cert
tests_keyd_test_cert_SOURCES = %D%/test-cert.c %D%/pki.c %D%/pki.h
tests_keyd_test_cert_LDADD = $(KEYD_TEST_LIBS)

UNIT_TESTS += tests/keyd/test-choose
tests_keyd_test_choose_SOURCES = %D%/test-choose.c
tests_keyd_test_choose_LDADD = $(KEYD_TEST_LIBS)

UNIT_TESTS += tests/keyd/test-sign
tests_keyd_test_sign_SOURCES = %D%/test-sign.c %D%/pki.c %D%/pki.h %D%/texts.h
tests_keyd_test_sign_LDADD = $(KEYD_TEST_LIBS)

UNIT_TESTS += tests/keyd/test-store
tests_keyd_test_store_SOURCES = %D%/test-store.c %D%/pki.c %D%/pki.h tests/lib/tempdir.h
tests_keyd_test_store_LDADD = $(KEYD_TEST_LIBS)

UNIT_TESTS += tests/keyd/test-server
tests_keyd_test_server_SOURCES = %D%/test-server.c %D%/pki.c %D%/pki.h %D%/texts.h tests/lib/server.c tests/lib/server.h
tests_keyd_test_server_LDADD = $(KEYD_TEST_LIBS)

UNIT_TESTS += tests/keyd/test-tickets
tests_keyd_test_tickets_SOURCES = %D%/test-tickets.c
tests_keyd_test_tickets_LDADD = $(KEYD_TEST_LIBS)

UNIT_TESTS += tests/keyd/test-wiped
tests_keyd_test_wiped_SOURCES = %D%/test-wiped.c %D%/texts.h
tests_keyd_test_wiped_LDADD = $(KEYD_TEST_LIBS)
