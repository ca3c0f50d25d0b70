# smtpd: the SMTP server. The library is the protocol core, without sockets; server.c is what is around it.
noinst_LIBRARIES += smtpd/libsmtpd.a
smtpd_libsmtpd_a_SOURCES = \
	%D%/answers.c \
	%D%/content.c %D%/content.h \
	%D%/internal.h \
	%D%/reply.c %D%/reply.h \
	%D%/session.c %D%/session.h \
	%D%/submit.c %D%/submit.h \
	%D%/verb_auth.c \
	%D%/verb_data.c \
	%D%/verb_helo.c \
	%D%/verb_mail.c \
	%D%/verb_misc.c \
	%D%/verb_rcpt.c \
	%D%/verb_starttls.c \
	%D%/verbs.c %D%/verbs.h

pkglibexec_PROGRAMS += smtpd/smtpd
smtpd_smtpd_SOURCES = %D%/main.c %D%/server.c %D%/server.h %D%/server_ask.c %D%/server_internal.h
smtpd_smtpd_LDADD = smtpd/libsmtpd.a common/sasl/libsaslserver.a common/mail/libmail.a $(DAEMON_LIBS) $(SYS_LIBS)
