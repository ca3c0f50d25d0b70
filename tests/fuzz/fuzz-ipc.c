/*
 * Every message of every internal protocol: the first byte chooses one, the rest is its payload. A decoder never
 * reads past its input; what it accepts encodes to the same bytes and prints. tests/lint/includes.t checks that
 * no message is missing here.
 */
#include <stdlib.h>

#include "common/ipc/proto_account.h"
#include "common/ipc/proto_dns.h"
#include "common/ipc/proto_job.h"
#include "common/ipc/proto_key.h"
#include "common/ipc/proto_master.h"
#include "common/ipc/proto_spool.h"

#define MESSAGES(R) \
	R(account_fail) R(account_ok) R(account_lookup) R(account_lookup_reply) R(account_resolve) \
	R(account_resolved) R(account_login) R(account_logged_in) R(account_admin) R(account_list) \
	R(account_scram) R(account_sender) R(account_app_add) R(account_app_added) R(account_app_delete) \
	R(account_user_show) R(account_user_shown) R(account_failures) R(account_failures_reply) \
	R(account_failures_clear) R(account_validator) R(account_validate) R(account_validated) \
	R(key_fail) R(key_ok) R(key_certs) R(key_tickets) R(key_sign) \
	R(key_signature) R(key_list) R(key_list_reply) R(key_install) R(key_self_sign) R(key_delete) R(key_export) R(key_chain) \
	R(account_list_reply) R(dns_mx) R(dns_mx_reply) R(job_capacity) R(job) R(job_result) \
	R(job_status) R(job_status_reply) R(master_config) R(master_peer) R(master_listener) \
	R(master_control_socket) R(master_go) R(master_reload) R(master_stop) R(master_ready) \
	R(master_reloaded) R(master_lost) R(master_status) R(master_status_reply) R(master_do) R(master_done) \
	R(spool_fail) R(spool_ok) R(spool_state) R(spool_body_file) R(spool_body_file_reply) \
	R(spool_body_drop) R(spool_accept) R(spool_accepted) R(spool_work) R(spool_take) R(spool_taken) \
	R(spool_outcome) R(spool_release) R(spool_queue_list) R(spool_queue_show) R(spool_queue_do) \
	R(spool_trace) R(spool_trace_reply) R(spool_stats) R(spool_stats_reply) R(spool_compact) \
	R(spool_content) R(spool_content_reply) R(spool_deliver) R(spool_open) R(spool_close) \
	R(spool_mailbox_list) R(spool_mailboxes) R(spool_mailbox_do) R(spool_select) R(spool_snapshot) R(spool_view) \
	R(spool_unselect) R(spool_change) R(spool_store) R(spool_stored) R(spool_expunge) R(spool_copy) \
	R(spool_copied) R(spool_append) R(spool_appended) R(spool_cached) R(spool_cached_reply) \
	R(spool_body_get) R(spool_body_got) R(spool_account_delete)

#define TRY(T) \
	static void try_##T(struct slice in, struct arena *a, struct buf *b) \
	{ \
		struct ipc_msg m = { .type = T##_MSG, .payload = in, .fd = -1 }; \
		struct T v; \
		if (IPC_DECODE(&m, T, a, &v) != 0) \
			return; \
		T##_encode(b, &v); \
		if (buf_err(b) != 0 || !slice_eq(buf_slice(b), in)) \
			abort(); \
		buf_reset(b); \
		T##_print(b, &v); \
	}
#define ROW(T) try_##T,
MESSAGES(TRY)
static void (*const tries[])(struct slice, struct arena *, struct buf *) = { MESSAGES(ROW) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(1 << 20);
	struct buf b = BUF_INIT(8 << 20);

	if (a != NULL && size != 0)
		tries[data[0] % ARRAY_LEN(tries)](slice_of(data + 1, size - 1), a, &b);
	buf_free(&b);
	arena_free(&a);
	return 0;
}
