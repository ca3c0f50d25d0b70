# tests/spool
check_LIBRARIES += tests/spool/libdisk.a
tests_spool_libdisk_a_SOURCES = %D%/disk.c %D%/disk.h
EXTRA_DIST += tests/spool/fixtures
SPOOL_TEST_LIBS = tests/spool/libdisk.a spool/libspool.a common/base/libbase.a $(UNIT_LIBS) $(BSD_LIBS)
UNIT_TESTS += tests/spool/test-log
tests_spool_test_log_SOURCES = %D%/test-log.c
tests_spool_test_log_LDADD = $(SPOOL_TEST_LIBS)
