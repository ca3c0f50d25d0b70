#include "common/sasl/edge.h"

struct sasl_conf sasl_edge_conf(const char *service, const char *addr, const struct edge_tls *tls, bool plaintext, bool oauth)
{
	struct sasl_conf conf = { .service = service, .addr = addr, .plaintext = plaintext || tls != NULL, .oauth = oauth };

	if (tls != NULL) {
		conf.tls = true;
		conf.host = tls->sni;   /* the client's name for us: hostname may be another */
		conf.exporter = edge_tls_exporter(tls);
		conf.end_point = edge_tls_end_point(tls);
		conf.external = slice_cstr(tls->external);
	}
	return conf;
}

/* What is not the answer hoped for. */
static int reply_err(const struct ipc_msg *m)
{
	struct account_fail f;

	if (IPC_DECODE(m, account_fail, NULL, &f) != 0 || (int32_t)f.code >= 0)
		return ERR_IO;
	return (int32_t)f.code;
}

int sasl_reply_decode(int r, const struct ipc_msg *m, union sasl_reply *u_r, uint16_t *type_r)
{
	memset(u_r, 0, sizeof(*u_r));
	*type_r = 0;
	if (r != 0)
		return r;
	if (m->type == account_logged_in_MSG)
		r = IPC_DECODE(m, account_logged_in, NULL, &u_r->logged_in);
	else if (m->type == account_scram_MSG)
		r = IPC_DECODE(m, account_scram, NULL, &u_r->scram);
	else
		r = reply_err(m);
	*type_r = r == 0 ? m->type : 0;
	return r;
}
