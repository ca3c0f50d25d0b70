# master
noinst_LIBRARIES += master/libmaster.a
master_libmaster_a_CPPFLAGS = $(AM_CPPFLAGS) -DDAEMONDIR='"$(DAEMONDIR)"'
master_libmaster_a_SOURCES = \
	%D%/backoff.c %D%/backoff.h \
	%D%/child.c \
	%D%/control.c \
	%D%/dirs.c %D%/dirs.h \
	%D%/kinds.c %D%/kinds.h \
	%D%/links.c \
	%D%/listen.c %D%/listen.h \
	%D%/master.h \
	%D%/notify.c %D%/notify.h \
	%D%/plumb.c %D%/plumb.h \
	%D%/portowner.c \
	%D%/reload.c \
	%D%/supervise.c

sbin_PROGRAMS += master/pabal-master
master_pabal_master_CPPFLAGS = $(AM_CPPFLAGS) -DSYSCONFDIR='"$(sysconfdir)"'
master_pabal_master_SOURCES = %D%/main.c
master_pabal_master_LDADD = master/libmaster.a $(DAEMON_LIBS) $(SYS_LIBS)
