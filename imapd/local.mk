# imapd: IMAP for the owners of mailboxes
noinst_LIBRARIES += imapd/libimapd.a
imapd_libimapd_a_SOURCES = \
	%D%/appendbody.c %D%/appendbody.h \
	%D%/backend.h \
	%D%/cmd_append.c %D%/cmd_authenticate.c %D%/cmd_basic.c %D%/cmd_copy.c %D%/cmd_expunge.c %D%/cmd_fetch.c %D%/cmd_idle.c \
	%D%/cmd_list.c %D%/cmd_login.c %D%/cmd_mailbox.c %D%/cmd_search.c %D%/cmd_select.c %D%/cmd_status.c \
	%D%/cmd_store.c \
	%D%/commands.h %D%/core.h \
	%D%/fetch.h %D%/fetch_body.c %D%/fetch_parse.c %D%/fetch_print.c \
	%D%/lifetime.c \
	%D%/names.c %D%/names.h \
	%D%/parse.c %D%/parse.h \
	%D%/print.c %D%/print.h \
	%D%/reader.c %D%/reader.h \
	%D%/search.h %D%/search_eval.c %D%/search_load.c %D%/search_parse.c %D%/search_raw.c \
	%D%/search_text.c \
	%D%/seqset.c %D%/seqset.h \
	%D%/session.c %D%/session.h %D%/sleep.c \
	%D%/table.c %D%/verdict.c \
	%D%/view.c %D%/view.h %D%/view_bare.c %D%/view_private.h %D%/view_sync.c \
	%D%/window.c %D%/window.h

pkglibexec_PROGRAMS += imapd/imapd
imapd_imapd_SOURCES = %D%/main.c %D%/link.c %D%/link.h %D%/server.c %D%/server.h
imapd_imapd_LDADD = imapd/libimapd.a common/sasl/libsaslserver.a common/mail/libmail.a $(DAEMON_LIBS) $(SYS_LIBS)
