UNIT_TESTS += tests/base/test-base
tests_base_test_base_SOURCES = %D%/test-base.c
tests_base_test_base_LDADD = common/base/libbase.a $(UNIT_LIBS) $(BSD_LIBS)
