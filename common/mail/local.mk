# common/mail: mail syntax, no I/O
noinst_LIBRARIES += common/mail/libmail.a
common_mail_libmail_a_SOURCES = \
	%D%/address.c %D%/address.h \
	%D%/date.c %D%/date.h \
	%D%/framing.c %D%/framing.h \
	%D%/header.c %D%/header.h \
	%D%/queueid.c %D%/queueid.h \
	%D%/received.c %D%/received.h
