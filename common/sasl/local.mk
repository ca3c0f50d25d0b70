# common/sasl: the server's side of SASL for all edges, no I/O
noinst_LIBRARIES += common/sasl/libsaslserver.a
common_sasl_libsaslserver_a_SOURCES = \
	%D%/bearer.c \
	%D%/edge.c %D%/edge.h \
	%D%/external.c \
	%D%/plain.c \
	%D%/sasl.c %D%/sasl.h %D%/sasl_internal.h \
	%D%/scram.c \
	%D%/scram_parse.c %D%/scram_parse.h \
	%D%/text.c
