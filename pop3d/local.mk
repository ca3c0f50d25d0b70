# pop3d: the POP3 server. The library is the protocol core, without sockets; server.c is what is around it.
noinst_LIBRARIES += pop3d/libpop3d.a
pop3d_libpop3d_a_SOURCES = \
	%D%/ahead.c %D%/ahead.h \
	%D%/cmd_auth.c \
	%D%/cmd_list.c \
	%D%/cmd_login.c \
	%D%/cmd_retr.c \
	%D%/commands.c \
	%D%/internal.h \
	%D%/session.c %D%/session.h

pkglibexec_PROGRAMS += pop3d/pop3d
pop3d_pop3d_SOURCES = %D%/main.c %D%/backend.c %D%/client.h %D%/server.c %D%/server.h
pop3d_pop3d_LDADD = pop3d/libpop3d.a common/sasl/libsaslserver.a common/mail/libmail.a $(DAEMON_LIBS) $(SYS_LIBS)
