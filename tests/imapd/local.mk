IMAPD_TEST_LIBS = imapd/libimapd.a common/sasl/libsaslserver.a common/mail/libmail.a $(BASE_LIBS) $(UNIT_LIBS) $(BSD_LIBS)
IMAPD_FAKE = %D%/fake.c %D%/fake.h %D%/fake_store.c %D%/play.c

UNIT_TESTS += tests/imapd/test-parse
tests_imapd_test_parse_SOURCES = %D%/test-parse.c
tests_imapd_test_parse_LDADD = $(IMAPD_TEST_LIBS)

UNIT_TESTS += tests/imapd/test-search
tests_imapd_test_search_SOURCES = %D%/test-search.c
tests_imapd_test_search_LDADD = $(IMAPD_TEST_LIBS)

UNIT_TESTS += tests/imapd/test-session
tests_imapd_test_session_SOURCES = %D%/test-session.c $(IMAPD_FAKE)
tests_imapd_test_session_LDADD = $(IMAPD_TEST_LIBS)

UNIT_TESTS += tests/imapd/test-login
tests_imapd_test_login_SOURCES = %D%/test-login.c $(IMAPD_FAKE)
tests_imapd_test_login_LDADD = $(IMAPD_TEST_LIBS)

UNIT_TESTS += tests/imapd/test-mailboxes
tests_imapd_test_mailboxes_SOURCES = %D%/test-mailboxes.c $(IMAPD_FAKE)
tests_imapd_test_mailboxes_LDADD = $(IMAPD_TEST_LIBS)

UNIT_TESTS += tests/imapd/test-fetch
tests_imapd_test_fetch_SOURCES = %D%/test-fetch.c $(IMAPD_FAKE)
tests_imapd_test_fetch_LDADD = $(IMAPD_TEST_LIBS)

UNIT_TESTS += tests/imapd/test-two
tests_imapd_test_two_SOURCES = %D%/test-two.c $(IMAPD_FAKE)
tests_imapd_test_two_LDADD = $(IMAPD_TEST_LIBS)

UNIT_TESTS += tests/imapd/test-sleep
tests_imapd_test_sleep_SOURCES = %D%/test-sleep.c $(IMAPD_FAKE)
tests_imapd_test_sleep_LDADD = $(IMAPD_TEST_LIBS)

UNIT_TESTS += tests/imapd/test-server
tests_imapd_test_server_SOURCES = %D%/test-server.c tests/lib/edge.c tests/lib/edge.h
tests_imapd_test_server_LDADD = $(DAEMON_LIBS) $(UNIT_LIBS) $(SYS_LIBS)
