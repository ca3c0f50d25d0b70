# common/mail: mail syntax, no I/O
noinst_LIBRARIES += common/mail/libmail.a
common_mail_libmail_a_SOURCES = \
	%D%/address.c %D%/address.h \
	%D%/framing.c %D%/framing.h
