#include "common/daemon/edgetls.h"

#include "common/daemon/tls.h"

static size_t binding(const struct conn *c, enum conn_binding type, uint8_t out_r[CONN_BINDING_MAX])
{
	size_t len = 0;

	return conn_tls_binding(c, type, out_r, &len) == 0 ? len : 0;
}

void edge_tls_get(const struct conn *c, struct edge_tls *t_r)
{
	const struct tls_info *info = conn_tls_info(c);

	*t_r = (struct edge_tls){ .version = info->version, .cipher = info->cipher, .bits = info->bits, .sni = info->sni,
		.external = info->verified ? info->mail : "" };
	t_r->exporter_len = binding(c, CONN_BINDING_EXPORTER, t_r->exporter);
	t_r->end_point_len = binding(c, CONN_BINDING_SERVER_END_POINT, t_r->end_point);
}
