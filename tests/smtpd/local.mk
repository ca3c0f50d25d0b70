SMTPD_TEST_LIBS = smtpd/libsmtpd.a common/mail/libmail.a $(BASE_LIBS) $(UNIT_LIBS) $(BSD_LIBS)

UNIT_TESTS += tests/smtpd/test-verbs
tests_smtpd_test_verbs_SOURCES = %D%/test-verbs.c
tests_smtpd_test_verbs_LDADD = $(SMTPD_TEST_LIBS)

UNIT_TESTS += tests/smtpd/test-session
tests_smtpd_test_session_SOURCES = %D%/test-session.c %D%/dialogue.c %D%/dialogue.h
tests_smtpd_test_session_LDADD = $(SMTPD_TEST_LIBS)
