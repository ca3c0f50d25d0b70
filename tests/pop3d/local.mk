POP3D_TEST_LIBS = pop3d/libpop3d.a common/sasl/libsaslserver.a common/mail/libmail.a $(BASE_LIBS) $(UNIT_LIBS) $(BSD_LIBS)

UNIT_TESTS += tests/pop3d/test-session
tests_pop3d_test_session_SOURCES = %D%/test-session.c %D%/dialogue.c %D%/dialogue.h tests/lib/play.c tests/lib/play.h
tests_pop3d_test_session_LDADD = $(POP3D_TEST_LIBS)

UNIT_TESTS += tests/pop3d/test-server
tests_pop3d_test_server_SOURCES = %D%/test-server.c tests/lib/edge.c tests/lib/edge.h
tests_pop3d_test_server_LDADD = $(DAEMON_LIBS) $(UNIT_LIBS) $(SYS_LIBS)

UNIT_TESTS += tests/pop3d/test-ahead
tests_pop3d_test_ahead_SOURCES = %D%/test-ahead.c
tests_pop3d_test_ahead_LDADD = $(POP3D_TEST_LIBS)
