SMTPD_TEST_LIBS = smtpd/libsmtpd.a common/sasl/libsaslserver.a common/mail/libmail.a $(BASE_LIBS) $(UNIT_LIBS) $(BSD_LIBS)
SMTPD_ROWS = tests/smtpd/rows.c tests/smtpd/rows.h tests/smtpd/dialogue.c tests/smtpd/dialogue.h tests/lib/play.c tests/lib/play.h

UNIT_TESTS += tests/smtpd/test-verbs
tests_smtpd_test_verbs_SOURCES = %D%/test-verbs.c
tests_smtpd_test_verbs_LDADD = $(SMTPD_TEST_LIBS)

UNIT_TESTS += tests/smtpd/test-session
tests_smtpd_test_session_SOURCES = %D%/test-session.c $(SMTPD_ROWS)
tests_smtpd_test_session_LDADD = $(SMTPD_TEST_LIBS)

UNIT_TESTS += tests/smtpd/test-auth
tests_smtpd_test_auth_SOURCES = %D%/test-auth.c $(SMTPD_ROWS)
tests_smtpd_test_auth_LDADD = $(SMTPD_TEST_LIBS)

UNIT_TESTS += tests/smtpd/test-submit
tests_smtpd_test_submit_SOURCES = %D%/test-submit.c $(SMTPD_ROWS)
tests_smtpd_test_submit_LDADD = $(SMTPD_TEST_LIBS)

SMTPD_FIXTURE = tests/smtpd/fixture.c tests/smtpd/fixture.h tests/smtpd/dialogue.c tests/smtpd/dialogue.h tests/lib/edge.c tests/lib/edge.h
SMTPD_FIXTURE_LIBS = smtpd/libsmtpd.a common/sasl/libsaslserver.a common/mail/libmail.a $(DAEMON_LIBS) $(UNIT_LIBS) $(SYS_LIBS)

UNIT_TESTS += tests/smtpd/test-server
tests_smtpd_test_server_SOURCES = %D%/test-server.c $(SMTPD_FIXTURE)
tests_smtpd_test_server_LDADD = $(SMTPD_FIXTURE_LIBS)

UNIT_TESTS += tests/smtpd/test-tls
tests_smtpd_test_tls_SOURCES = %D%/test-tls.c $(SMTPD_FIXTURE) tests/lib/edge_keyd.c tests/lib/edge_keyd.h tests/lib/tls.c tests/lib/tls.h
tests_smtpd_test_tls_LDADD = $(SMTPD_FIXTURE_LIBS)
