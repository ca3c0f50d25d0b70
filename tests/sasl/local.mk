SASL_TEST_LIBS = common/sasl/libsaslserver.a common/mail/libmail.a $(BASE_LIBS) $(UNIT_LIBS) $(BSD_LIBS)

UNIT_TESTS += tests/sasl/test-sasl
tests_sasl_test_sasl_SOURCES = %D%/test-sasl.c %D%/talk.c %D%/talk.h
tests_sasl_test_sasl_LDADD = $(SASL_TEST_LIBS)

UNIT_TESTS += tests/sasl/test-scram
tests_sasl_test_scram_SOURCES = %D%/test-scram.c %D%/talk.c %D%/talk.h
tests_sasl_test_scram_LDADD = $(SASL_TEST_LIBS) $(CRYPTO_LIBS)
