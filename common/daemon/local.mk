noinst_LIBRARIES += common/daemon/libdaemon.a
common_daemon_libdaemon_a_CPPFLAGS = $(AM_CPPFLAGS) -DLOCALSTATEDIR='"$(localstatedir)"'
common_daemon_libdaemon_a_SOURCES = \
	%D%/cellprobe.h \
	%D%/conf.c %D%/conf.h \
	%D%/conf_check.c \
	%D%/conf_internal.h \
	%D%/conf_net.c \
	%D%/conf_table.c \
	%D%/conf_value.c \
	%D%/conn.c %D%/conn.h \
	%D%/control_path.h \
	%D%/daemon.c %D%/daemon.h \
	%D%/edge.c %D%/edge.h %D%/edgetls.h \
	%D%/listener.c \
	%D%/places.c %D%/places.h \
	%D%/sandbox.c %D%/sandbox.h %D%/sandbox_linux.h \
	%D%/tls.h \
	%D%/token.c %D%/token.h
if LINUX
common_daemon_libdaemon_a_SOURCES += %D%/cellprobe_linux.c %D%/sandbox_landlock_linux.c %D%/sandbox_seccomp_linux.c
else
common_daemon_libdaemon_a_SOURCES += %D%/sandbox_none.c
endif
