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
	%D%/conn.c %D%/conn.h %D%/conn_private.h \
	%D%/conn_bio.c \
	%D%/conn_handshake.c \
	%D%/conn_tls.c %D%/conn_tls_private.h \
	%D%/control_path.h \
	%D%/daemon.c %D%/daemon.h \
	%D%/edge.c %D%/edge.h %D%/edgetls.c %D%/edgetls.h \
	%D%/listener.c \
	%D%/places.c %D%/places.h \
	%D%/sandbox.c %D%/sandbox.h %D%/sandbox_linux.h \
	%D%/openssl.h \
	%D%/tls.h %D%/tls_private.h \
	%D%/tls_client.c \
	%D%/tls_ctx.c \
	%D%/tls_provider.c \
	%D%/tls_server.c \
	%D%/tls_sessions.c \
	%D%/tls_sites.c \
	%D%/tls_ticket.c \
	%D%/token.c %D%/token.h
if LINUX
common_daemon_libdaemon_a_SOURCES += %D%/cellprobe_linux.c %D%/sandbox_landlock_linux.c %D%/sandbox_seccomp_linux.c
else
common_daemon_libdaemon_a_SOURCES += %D%/sandbox_none.c
endif
