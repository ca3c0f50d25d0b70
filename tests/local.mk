# Unit tests mirror the tree. Each folder adds to UNIT_TESTS (compiled, cmocka) and TESTS.
UNIT_TESTS =
EXTRA_DIST += tests/lib/unit.h
UNIT_LIBS = $(CMOCKA_LIBS)
include $(top_srcdir)/tests/base/local.mk
include $(top_srcdir)/tests/mail/local.mk
include $(top_srcdir)/tests/ipc/local.mk
include $(top_srcdir)/tests/sasl/local.mk
include $(top_srcdir)/tests/daemon/local.mk
include $(top_srcdir)/tests/master/local.mk
include $(top_srcdir)/tests/spool/local.mk
include $(top_srcdir)/tests/accountd/local.mk
include $(top_srcdir)/tests/dnsd/local.mk
include $(top_srcdir)/tests/keyd/local.mk
include $(top_srcdir)/tests/smtpd/local.mk
include $(top_srcdir)/tests/qmgr/local.mk
include $(top_srcdir)/tests/deliver/local.mk
include $(top_srcdir)/tests/pop3d/local.mk
include $(top_srcdir)/tests/imapd/local.mk
include $(top_srcdir)/tests/control/local.mk
include $(top_srcdir)/tests/fuzz/local.mk
include $(top_srcdir)/tests/lint/local.mk
include $(top_srcdir)/tests/e2e/local.mk
include $(top_srcdir)/tests/crash/local.mk
if HAVE_CMOCKA
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif
