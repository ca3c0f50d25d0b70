#ifndef PABAL_SASL_EDGE_H
#define PABAL_SASL_EDGE_H

#include "common/daemon/edgetls.h"
#include "common/sasl/sasl.h"

/* What every edge does around an exchange: what its connection allows, and what accountd says. */

/* service, addr and tls outlive the exchange. tls: NULL without TLS; plaintext: logins are taken without it, too. */
struct sasl_conf sasl_edge_conf(const char *service, const char *addr, const struct edge_tls *tls, bool plaintext, bool oauth);

union sasl_reply {
	struct account_logged_in logged_in;
	struct account_scram scram;
};
/* An ipc_reply_fn's r and m as sasl_answer() takes them: its r; *type_r is 0 unless that is 0. */
int sasl_reply_decode(int r, const struct ipc_msg *m, union sasl_reply *u_r, uint16_t *type_r) MUST_CHECK;

#endif
