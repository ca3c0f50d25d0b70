UNIT_TESTS += tests/base/test-base
tests_base_test_base_SOURCES = %D%/test-base.c
tests_base_test_base_LDADD = common/base/libbase.a $(UNIT_LIBS) $(BSD_LIBS)

UNIT_TESTS += tests/base/test-loop
tests_base_test_loop_SOURCES = %D%/test-loop.c
tests_base_test_loop_LDADD = common/base/libbase.a $(UNIT_LIBS) $(BSD_LIBS)
