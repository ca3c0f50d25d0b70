# tests/master
MASTER_TEST_LIBS = master/libmaster.a $(DAEMON_LIBS) $(UNIT_LIBS) $(SYS_LIBS)

UNIT_TESTS += tests/master/test-backoff
tests_master_test_backoff_SOURCES = %D%/test-backoff.c
tests_master_test_backoff_LDADD = $(MASTER_TEST_LIBS)

UNIT_TESTS += tests/master/test-plumb
tests_master_test_plumb_SOURCES = %D%/test-plumb.c
tests_master_test_plumb_LDADD = $(MASTER_TEST_LIBS)

# master with children that are the frame and nothing else.
check_PROGRAMS += tests/master/fake-child tests/master/status
tests_master_fake_child_SOURCES = %D%/fake-child.c
tests_master_fake_child_LDADD = $(DAEMON_LIBS) $(SYS_LIBS)
tests_master_status_SOURCES = %D%/status.c
tests_master_status_LDADD = $(BASE_LIBS) $(BSD_LIBS)
TESTS += tests/master/supervise.py
EXTRA_DIST += tests/master/supervise.py
