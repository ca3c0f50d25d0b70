# tests/dnsd
UNIT_TESTS += tests/dnsd/test-plan
tests_dnsd_test_plan_SOURCES = %D%/test-plan.c
tests_dnsd_test_plan_LDADD = $(DNSD_LIBS) $(UNIT_LIBS)

# The real process against a real name server.
check_PROGRAMS += tests/dnsd/ask
tests_dnsd_ask_SOURCES = %D%/ask.c tests/lib/server.c tests/lib/server.h
tests_dnsd_ask_LDADD = $(DAEMON_LIBS) $(UNIT_LIBS) $(SYS_LIBS)
TESTS += tests/dnsd/nsd.py
EXTRA_DIST += tests/dnsd/nsd.py
