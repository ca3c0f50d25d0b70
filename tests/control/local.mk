# tests/control
UNIT_TESTS += tests/control/test-control
tests_control_test_control_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_control_test_control_SOURCES = %D%/test-control.c
tests_control_test_control_LDADD = $(CONTROL_LIBS) $(UNIT_LIBS)

UNIT_TESTS += tests/control/test-program
tests_control_test_program_SOURCES = %D%/test-program.c
tests_control_test_program_LDADD = $(CONTROL_LIBS) $(UNIT_LIBS)

# The command against a running system.
TESTS += tests/control/pabal.py tests/control/cert.py
EXTRA_DIST += tests/control/pabal.py tests/control/cert.py
