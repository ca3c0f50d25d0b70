noinst_LIBRARIES += common/daemon/libdaemon.a
common_daemon_libdaemon_a_SOURCES = \
	%D%/conf.h \
	%D%/conn.h \
	%D%/daemon.h \
	%D%/sandbox.h
