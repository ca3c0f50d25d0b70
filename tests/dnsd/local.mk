# tests/dnsd
UNIT_TESTS += tests/dnsd/test-plan
tests_dnsd_test_plan_SOURCES = %D%/test-plan.c
tests_dnsd_test_plan_LDADD = $(DNSD_LIBS) $(UNIT_LIBS)
