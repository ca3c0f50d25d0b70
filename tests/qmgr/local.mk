QMGR_TEST_LIBS = qmgr/libqmgr.a common/mail/libmail.a $(DAEMON_LIBS) $(UNIT_LIBS) $(SYS_LIBS)

UNIT_TESTS += tests/qmgr/test-schedule
tests_qmgr_test_schedule_SOURCES = %D%/test-schedule.c
tests_qmgr_test_schedule_LDADD = $(QMGR_TEST_LIBS)

UNIT_TESTS += tests/qmgr/test-active
tests_qmgr_test_active_SOURCES = %D%/test-active.c
tests_qmgr_test_active_LDADD = $(QMGR_TEST_LIBS)

UNIT_TESTS += tests/qmgr/test-outcome
tests_qmgr_test_outcome_SOURCES = %D%/test-outcome.c
tests_qmgr_test_outcome_LDADD = $(QMGR_TEST_LIBS)

UNIT_TESTS += tests/qmgr/test-qmgr
tests_qmgr_test_qmgr_SOURCES = %D%/test-qmgr.c %D%/peers.c %D%/peers.h
tests_qmgr_test_qmgr_LDADD = $(QMGR_TEST_LIBS)
