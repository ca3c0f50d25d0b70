# common/mail: mail syntax, no I/O
noinst_LIBRARIES += common/mail/libmail.a
common_mail_libmail_a_SOURCES = \
	%D%/address.c %D%/address.h \
	%D%/addrlist.c %D%/addrlist.h \
	%D%/base64.c %D%/base64.h \
	%D%/bodystructure.c %D%/bodystructure.h \
	%D%/charset.c %D%/charset.h \
	%D%/date.c %D%/date.h \
	%D%/dsn.c %D%/dsn.h \
	%D%/envelope.c %D%/envelope.h \
	%D%/framing.c %D%/framing.h \
	%D%/header.c %D%/header.h \
	%D%/imaptext.c %D%/imaptext.h \
	%D%/mime.c %D%/mime.h \
	%D%/mimeparam.c %D%/mimeparam.h \
	%D%/mutf7.c %D%/mutf7.h \
	%D%/preview.c %D%/preview.h \
	%D%/qp.c %D%/qp.h \
	%D%/queueid.c %D%/queueid.h \
	%D%/received.c %D%/received.h \
	%D%/rfc2047.c %D%/rfc2047.h \
	%D%/summary.c %D%/summary.h
