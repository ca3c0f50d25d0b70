# tests/spool
check_LIBRARIES += tests/spool/libdisk.a
tests_spool_libdisk_a_SOURCES = %D%/disk.c %D%/disk.h
EXTRA_DIST += tests/spool/fixtures
SPOOL_TEST_LIBS = tests/spool/libdisk.a spool/libspool.a common/base/libbase.a $(UNIT_LIBS) $(BSD_LIBS)
UNIT_TESTS += tests/spool/test-log
tests_spool_test_log_SOURCES = %D%/test-log.c
tests_spool_test_log_LDADD = $(SPOOL_TEST_LIBS)
check_LIBRARIES += tests/spool/libengine.a
tests_spool_libengine_a_SOURCES = %D%/engine.c %D%/engine.h
ENGINE_TEST_LIBS = tests/spool/libengine.a tests/spool/libdisk.a spool/libspool.a common/mail/libmail.a $(BASE_LIBS) \
	$(UNIT_LIBS) $(DB_LIBS) $(BSD_LIBS)
UNIT_TESTS += tests/spool/test-op
tests_spool_test_op_SOURCES = %D%/test-op.c
tests_spool_test_op_LDADD = $(ENGINE_TEST_LIBS)
UNIT_TESTS += tests/spool/test-queue
tests_spool_test_queue_SOURCES = %D%/test-queue.c
tests_spool_test_queue_LDADD = $(ENGINE_TEST_LIBS)
check_LIBRARIES += tests/spool/libpeers.a
tests_spool_libpeers_a_SOURCES = %D%/peers.c %D%/peers.h
UNIT_TESTS += tests/spool/test-service
tests_spool_test_service_SOURCES = %D%/test-service.c
tests_spool_test_service_LDADD = tests/spool/libpeers.a tests/spool/libdisk.a $(SPOOL_LIBS) $(UNIT_LIBS)
UNIT_TESTS += tests/spool/test-mailbox
tests_spool_test_mailbox_SOURCES = %D%/test-mailbox.c
tests_spool_test_mailbox_LDADD = $(ENGINE_TEST_LIBS)
