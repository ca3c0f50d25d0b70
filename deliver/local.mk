# deliver: the delivery agents, one to mailboxes here, one to other hosts
noinst_LIBRARIES += deliver/libdeliver.a
deliver_libdeliver_a_SOURCES = \
	%D%/agent.c %D%/agent.h %D%/agent_main.c \
	%D%/client.c %D%/client.h %D%/client_private.h \
	%D%/client_hello.c \
	%D%/content.c %D%/content.h \
	%D%/local.c %D%/local.h %D%/local_private.h \
	%D%/local_op.c \
	%D%/remote.c %D%/remote.h %D%/remote_private.h \
	%D%/remote_conn.c \
	%D%/remote_tls.c \
	%D%/reply.c %D%/reply.h \
	%D%/route.c %D%/route.h \
	%D%/tlspolicy.c %D%/tlspolicy.h

pkglibexec_PROGRAMS += deliver/deliver-local deliver/deliver-remote
deliver_deliver_local_SOURCES = %D%/local_main.c
deliver_deliver_local_LDADD = deliver/libdeliver.a common/mail/libmail.a $(DAEMON_LIBS) $(SYS_LIBS)
deliver_deliver_remote_SOURCES = %D%/remote_main.c
deliver_deliver_remote_LDADD = deliver/libdeliver.a common/mail/libmail.a $(DAEMON_LIBS) $(SYS_LIBS)
