# A fuzz target is tests/fuzz/fuzz-NAME.c with LLVMFuzzerTestOneInput(). With
# --enable-fuzz (clang) it is a libFuzzer binary; otherwise main.c replays the
# seeds in tests/fuzz/seeds/NAME and runs seeded mutations of them, so that the
# ordinary test run fuzzes every target for a short, repeatable while.
FUZZ_TARGETS =
EXTRA_DIST += tests/fuzz/seeds
noinst_LIBRARIES += tests/fuzz/libfuzzmain.a
tests_fuzz_libfuzzmain_a_SOURCES = %D%/main.c

if FUZZ
FUZZ_MAIN =
FUZZ_LINKFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
noinst_PROGRAMS += $(FUZZ_TARGETS)
else
FUZZ_MAIN = tests/fuzz/libfuzzmain.a
FUZZ_LINKFLAGS = $(AM_LDFLAGS)
check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += $(FUZZ_TARGETS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz-wire
tests_fuzz_fuzz_wire_SOURCES = %D%/fuzz-wire.c
tests_fuzz_fuzz_wire_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_wire_LDADD = $(FUZZ_MAIN) $(BASE_LIBS) $(BSD_LIBS)

FUZZ_MAIL_LIBS = $(FUZZ_MAIN) common/mail/libmail.a $(BASE_LIBS) $(BSD_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-address
tests_fuzz_fuzz_address_SOURCES = %D%/fuzz-address.c
tests_fuzz_fuzz_address_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_address_LDADD = $(FUZZ_MAIL_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-mutf7
tests_fuzz_fuzz_mutf7_SOURCES = %D%/fuzz-mutf7.c
tests_fuzz_fuzz_mutf7_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_mutf7_LDADD = $(FUZZ_MAIL_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-dotreader
tests_fuzz_fuzz_dotreader_SOURCES = %D%/fuzz-dotreader.c
tests_fuzz_fuzz_dotreader_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_dotreader_LDADD = $(FUZZ_MAIL_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-header
tests_fuzz_fuzz_header_SOURCES = %D%/fuzz-header.c
tests_fuzz_fuzz_header_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_header_LDADD = $(FUZZ_MAIL_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-conf
tests_fuzz_fuzz_conf_SOURCES = %D%/fuzz-conf.c
tests_fuzz_fuzz_conf_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_conf_LDADD = $(FUZZ_MAIN) $(DAEMON_LIBS) $(SYS_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-smtpd
tests_fuzz_fuzz_smtpd_SOURCES = %D%/fuzz-smtpd.c tests/smtpd/dialogue.c tests/smtpd/dialogue.h
tests_fuzz_fuzz_smtpd_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_smtpd_LDADD = $(FUZZ_MAIN) smtpd/libsmtpd.a common/sasl/libsaslserver.a common/mail/libmail.a $(BASE_LIBS) $(BSD_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-mime
tests_fuzz_fuzz_mime_SOURCES = %D%/fuzz-mime.c
tests_fuzz_fuzz_mime_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_mime_LDADD = $(FUZZ_MAIL_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-ipc
tests_fuzz_fuzz_ipc_SOURCES = %D%/fuzz-ipc.c
tests_fuzz_fuzz_ipc_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_ipc_LDADD = $(FUZZ_MAIN) $(BASE_LIBS) $(BSD_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-pop3d
tests_fuzz_fuzz_pop3d_SOURCES = %D%/fuzz-pop3d.c tests/pop3d/dialogue.c tests/pop3d/dialogue.h
tests_fuzz_fuzz_pop3d_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_pop3d_LDADD = $(FUZZ_MAIN) pop3d/libpop3d.a common/sasl/libsaslserver.a common/mail/libmail.a $(BASE_LIBS) $(BSD_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-smtp-reply
tests_fuzz_fuzz_smtp_reply_SOURCES = %D%/fuzz-smtp-reply.c
tests_fuzz_fuzz_smtp_reply_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_smtp_reply_LDADD = $(FUZZ_MAIN) deliver/libdeliver.a common/mail/libmail.a $(DAEMON_LIBS) $(SYS_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-record
tests_fuzz_fuzz_record_SOURCES = %D%/fuzz-record.c
tests_fuzz_fuzz_record_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_record_LDADD = $(FUZZ_MAIN) spool/libspool.a $(BASE_LIBS) $(BSD_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-mxplan
tests_fuzz_fuzz_mxplan_SOURCES = %D%/fuzz-mxplan.c
tests_fuzz_fuzz_mxplan_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_mxplan_LDADD = $(FUZZ_MAIN) dnsd/libdnsd.a common/mail/libmail.a $(BASE_LIBS) $(BSD_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-account-name
tests_fuzz_fuzz_account_name_SOURCES = %D%/fuzz-account-name.c
tests_fuzz_fuzz_account_name_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_account_name_LDADD = $(FUZZ_MAIN) accountd/libaccountd.a common/mail/libmail.a $(BASE_LIBS) $(BSD_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-account-record
tests_fuzz_fuzz_account_record_SOURCES = %D%/fuzz-account-record.c
tests_fuzz_fuzz_account_record_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_account_record_LDADD = $(FUZZ_MAIN) $(ACCOUNTD_LIBS) $(BSD_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-imap-command
tests_fuzz_fuzz_imap_command_SOURCES = %D%/fuzz-imap-command.c
tests_fuzz_fuzz_imap_command_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_imap_command_LDADD = $(FUZZ_MAIN) imapd/libimapd.a common/sasl/libsaslserver.a common/mail/libmail.a $(BASE_LIBS) $(BSD_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-op
tests_fuzz_fuzz_op_SOURCES = %D%/fuzz-op.c
tests_fuzz_fuzz_op_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_op_LDADD = $(FUZZ_MAIN) $(SPOOL_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-sasl
tests_fuzz_fuzz_sasl_SOURCES = %D%/fuzz-sasl.c
tests_fuzz_fuzz_sasl_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_sasl_LDADD = $(FUZZ_MAIN) common/sasl/libsaslserver.a common/mail/libmail.a $(BASE_LIBS) $(BSD_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-key-sign
tests_fuzz_fuzz_key_sign_SOURCES = %D%/fuzz-key-sign.c tests/keyd/texts.h
tests_fuzz_fuzz_key_sign_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_key_sign_LDADD = $(FUZZ_MAIN) $(KEYD_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-key-pem
tests_fuzz_fuzz_key_pem_SOURCES = %D%/fuzz-key-pem.c
tests_fuzz_fuzz_key_pem_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_key_pem_LDADD = $(FUZZ_MAIN) $(KEYD_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz-tls
tests_fuzz_fuzz_tls_SOURCES = %D%/fuzz-tls.c
tests_fuzz_fuzz_tls_LDFLAGS = $(FUZZ_LINKFLAGS)
tests_fuzz_fuzz_tls_LDADD = $(FUZZ_MAIN) $(DAEMON_LIBS) $(SYS_LIBS)
