MAIL_TEST_LIBS = common/mail/libmail.a common/ipc/libipc.a common/base/libbase.a $(UNIT_LIBS) $(BSD_LIBS)

UNIT_TESTS += tests/mail/test-address
tests_mail_test_address_SOURCES = %D%/test-address.c
tests_mail_test_address_LDADD = $(MAIL_TEST_LIBS)

UNIT_TESTS += tests/mail/test-framing
tests_mail_test_framing_SOURCES = %D%/test-framing.c
tests_mail_test_framing_LDADD = $(MAIL_TEST_LIBS)

UNIT_TESTS += tests/mail/test-date
tests_mail_test_date_SOURCES = %D%/test-date.c
tests_mail_test_date_LDADD = $(MAIL_TEST_LIBS)

UNIT_TESTS += tests/mail/test-header
tests_mail_test_header_SOURCES = %D%/test-header.c
tests_mail_test_header_LDADD = $(MAIL_TEST_LIBS)

UNIT_TESTS += tests/mail/test-codec
tests_mail_test_codec_SOURCES = %D%/test-codec.c
tests_mail_test_codec_LDADD = $(MAIL_TEST_LIBS)

UNIT_TESTS += tests/mail/test-mime
tests_mail_test_mime_SOURCES = %D%/test-mime.c
tests_mail_test_mime_LDADD = $(MAIL_TEST_LIBS)

UNIT_TESTS += tests/mail/test-summary
tests_mail_test_summary_SOURCES = %D%/test-summary.c
tests_mail_test_summary_LDADD = $(MAIL_TEST_LIBS)

UNIT_TESTS += tests/mail/test-mutf7
tests_mail_test_mutf7_SOURCES = %D%/test-mutf7.c
tests_mail_test_mutf7_LDADD = $(MAIL_TEST_LIBS)

UNIT_TESTS += tests/mail/test-dsn
tests_mail_test_dsn_SOURCES = %D%/test-dsn.c
tests_mail_test_dsn_LDADD = $(MAIL_TEST_LIBS)
