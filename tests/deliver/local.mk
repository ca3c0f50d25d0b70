DELIVER_TEST_LIBS = deliver/libdeliver.a common/mail/libmail.a $(DAEMON_LIBS) $(UNIT_LIBS) $(SYS_LIBS)
REMOTE_WORLD = %D%/remote_world.c %D%/remote_world.h %D%/peers.c %D%/peers.h %D%/tls_peer.c %D%/tls_peer.h

UNIT_TESTS += tests/deliver/test-reply
tests_deliver_test_reply_SOURCES = %D%/test-reply.c
tests_deliver_test_reply_LDADD = $(DELIVER_TEST_LIBS)

UNIT_TESTS += tests/deliver/test-client
tests_deliver_test_client_SOURCES = %D%/test-client.c
tests_deliver_test_client_LDADD = $(DELIVER_TEST_LIBS)

UNIT_TESTS += tests/deliver/test-route
tests_deliver_test_route_SOURCES = %D%/test-route.c
tests_deliver_test_route_LDADD = $(DELIVER_TEST_LIBS)

UNIT_TESTS += tests/deliver/test-tlspolicy
tests_deliver_test_tlspolicy_SOURCES = %D%/test-tlspolicy.c
tests_deliver_test_tlspolicy_LDADD = $(DELIVER_TEST_LIBS)

UNIT_TESTS += tests/deliver/test-remote
tests_deliver_test_remote_SOURCES = %D%/test-remote.c $(REMOTE_WORLD)
tests_deliver_test_remote_LDADD = $(DELIVER_TEST_LIBS)

UNIT_TESTS += tests/deliver/test-remote-tls
tests_deliver_test_remote_tls_SOURCES = %D%/test-remote-tls.c $(REMOTE_WORLD)
tests_deliver_test_remote_tls_LDADD = $(DELIVER_TEST_LIBS)

UNIT_TESTS += tests/deliver/test-local
tests_deliver_test_local_SOURCES = %D%/test-local.c %D%/peers.c %D%/peers.h
tests_deliver_test_local_LDADD = $(DELIVER_TEST_LIBS)
