# tests/accountd
ACCOUNTD_TEST_LIBS = $(ACCOUNTD_LIBS) $(UNIT_LIBS)

UNIT_TESTS += tests/accountd/test-directory
tests_accountd_test_directory_SOURCES = %D%/test-directory.c tests/lib/tempdir.h
tests_accountd_test_directory_LDADD = $(ACCOUNTD_TEST_LIBS)

UNIT_TESTS += tests/accountd/test-login
tests_accountd_test_login_SOURCES = %D%/test-login.c
tests_accountd_test_login_LDADD = $(ACCOUNTD_TEST_LIBS)

UNIT_TESTS += tests/accountd/test-scram
tests_accountd_test_scram_SOURCES = %D%/test-scram.c
tests_accountd_test_scram_LDADD = $(ACCOUNTD_TEST_LIBS)

UNIT_TESTS += tests/accountd/test-store
tests_accountd_test_store_SOURCES = %D%/test-store.c tests/lib/tempdir.h
tests_accountd_test_store_LDADD = $(ACCOUNTD_TEST_LIBS)

UNIT_TESTS += tests/accountd/test-server
tests_accountd_test_server_SOURCES = %D%/test-server.c tests/lib/tempdir.h tests/lib/server.c tests/lib/server.h
tests_accountd_test_server_LDADD = $(ACCOUNTD_TEST_LIBS)

UNIT_TESTS += tests/accountd/test-logins
tests_accountd_test_logins_SOURCES = %D%/test-logins.c %D%/inproc.h tests/lib/tempdir.h
tests_accountd_test_logins_LDADD = $(ACCOUNTD_TEST_LIBS)

UNIT_TESTS += tests/accountd/test-kept
tests_accountd_test_kept_SOURCES = %D%/test-kept.c %D%/inproc.h tests/lib/tempdir.h
tests_accountd_test_kept_LDADD = $(ACCOUNTD_TEST_LIBS)

UNIT_TESTS += tests/accountd/test-fairqueue
tests_accountd_test_fairqueue_SOURCES = %D%/test-fairqueue.c
tests_accountd_test_fairqueue_LDADD = $(ACCOUNTD_TEST_LIBS)
