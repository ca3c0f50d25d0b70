UNIT_TESTS += tests/ipc/test-channel
tests_ipc_test_channel_SOURCES = %D%/test-channel.c
tests_ipc_test_channel_LDADD = common/daemon/libdaemon.a $(BASE_LIBS) $(UNIT_LIBS) $(BSD_LIBS)
