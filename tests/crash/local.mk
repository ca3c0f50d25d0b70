# Kill -9 and a full disk, with the real daemons.
CRASH_TESTS = tests/crash/kill.py tests/crash/diskfull.py tests/crash/fullstart.py tests/crash/submission.py
TESTS += $(CRASH_TESTS)
EXTRA_DIST += $(CRASH_TESTS)
