noinst_LIBRARIES += common/daemon/libdaemon.a
common_daemon_libdaemon_a_CPPFLAGS = $(AM_CPPFLAGS) -DLOCALSTATEDIR='"$(localstatedir)"'
common_daemon_libdaemon_a_SOURCES = \
	%D%/conf.c %D%/conf.h \
	%D%/conf_check.c \
	%D%/conf_internal.h \
	%D%/conf_net.c \
	%D%/conf_table.c \
	%D%/conf_value.c \
	%D%/conn.c %D%/conn.h \
	%D%/daemon.c %D%/daemon.h \
	%D%/sandbox.h \
	%D%/token.c %D%/token.h
