# qmgr: schedules what is sent when, where, by whom
noinst_LIBRARIES += qmgr/libqmgr.a
qmgr_libqmgr_a_SOURCES = \
	%D%/active.c %D%/active.h %D%/active_private.h \
	%D%/agents.c \
	%D%/dest.c %D%/dest.h \
	%D%/jobs.c \
	%D%/message.c %D%/message.h \
	%D%/notice.c %D%/notice.h \
	%D%/outbox.c %D%/outbox.h \
	%D%/outcome.c %D%/outcome.h \
	%D%/qmgr.c %D%/qmgr.h %D%/qmgr_private.h \
	%D%/schedule.c %D%/schedule.h \
	%D%/window.c

pkglibexec_PROGRAMS += qmgr/qmgr
qmgr_qmgr_SOURCES = %D%/main.c
qmgr_qmgr_LDADD = qmgr/libqmgr.a common/mail/libmail.a $(DAEMON_LIBS) $(SYS_LIBS)
