#include "accountd/admin.h"

#include "accountd/password.h"
#include "common/base/log.h"

static const char *const verb_names[] = {
	[ADMIN_DOMAIN_ADD] = "domain-add", [ADMIN_DOMAIN_DELETE] = "domain-delete", [ADMIN_USER_ADD] = "user-add",
	[ADMIN_USER_DELETE] = "user-delete", [ADMIN_USER_PASSWORD] = "user-password", [ADMIN_ALIAS_ADD] = "alias-add",
	[ADMIN_ALIAS_DELETE] = "alias-delete", [ADMIN_USER_ADD_HASH] = "user-add-hash",
	[ADMIN_USER_PASSWORD_HASH] = "user-password-hash",
};

const char *admin_verb_name(uint8_t verb)
{
	return verb < ARRAY_LEN(verb_names) && verb_names[verb] != NULL ? verb_names[verb] : "unknown";
}

static int fault(struct buf *why, int r)
{
	buf_addf(why, "The account store failed (%s); accountd's log tells more.", err_str(r));
	return r;
}

static int no_domain(struct buf *why, struct slice domain)
{
	buf_addf(why, "There is no domain %s here; make it with \"pabal domain add %s\".",
	    log_esc(domain), log_esc(domain));
	return ERR_NOTFOUND;
}

static int parse_name(struct slice text, struct name *n_r, struct buf *why)
{
	int r = name_parse(text, n_r);

	if (r == 0 && name_domain(n_r).len == 0)
		r = ERR_SYNTAX;
	if (r == 0 && name_domain(n_r).p[0] == '[')
		r = ERR_SYNTAX;
	if (r != 0)
		buf_addf(why, "%s is not an address of the form NAME@DOMAIN%s.", log_esc(text),
		    r == ERR_LIMIT ? " (it is too long)" : "");
	return r;
}

static int check_domain(struct store *st, const struct account_admin *req, struct admin_plan *p, struct buf *why)
{
	struct store_domain d;
	struct slice domain;
	bool add = req->verb == ADMIN_DOMAIN_ADD;
	int r;

	if (name_domain_parse(req->name, p->domain, &domain) != 0) {
		buf_addf(why, "%s is not a domain name.", log_esc(req->name));
		return ERR_SYNTAX;
	}
	r = store_domain_get(st, domain, &d);
	if (r == 0 && add) {
		buf_addf(why, "The domain %s exists already.", p->domain);
		return ERR_EXISTS;
	}
	if (r == ERR_NOTFOUND)
		return add ? 0 : no_domain(why, domain);
	return r == 0 ? 0 : fault(why, r);
}

static int check_user(struct store *st, const struct account_admin *req, struct admin_plan *p, struct buf *why)
{
	struct store_domain d;
	bool add = req->verb == ADMIN_USER_ADD || req->verb == ADMIN_USER_ADD_HASH;
	struct store_user u;
	const char *bad;
	int r;

	if ((r = parse_name(req->name, &p->name, why)) != 0)
		return r;
	p->needs_hash = req->verb == ADMIN_USER_ADD || req->verb == ADMIN_USER_PASSWORD;
	p->needs_probe = req->verb == ADMIN_USER_ADD_HASH || req->verb == ADMIN_USER_PASSWORD_HASH;
	if (p->needs_probe && !password_hash_valid(req->password, &bad)) {
		buf_addf(why, "What was given %s; yescrypt, scrypt, bcrypt, sha512crypt and sha256crypt are taken.", bad);
		return ERR_SYNTAX;
	}
	if (p->needs_hash && !password_valid(req->password, &bad)) {
		buf_addf(why, "The password %s; choose another.", bad);
		return ERR_SYNTAX;
	}
	r = store_domain_get(st, name_domain(&p->name), &d);
	if (r == ERR_NOTFOUND)
		return no_domain(why, name_domain(&p->name));
	if (r != 0)
		return fault(why, r);
	r = store_user_get(st, &p->name, &u);
	explicit_bzero(&u, sizeof(u));
	if (r != 0 && r != ERR_NOTFOUND)
		return fault(why, r);
	if (r == 0 && add) {
		buf_addf(why, "The user %s exists already; \"pabal user password %s\" changes the password.",
		    p->name.text, p->name.text);
		return ERR_EXISTS;
	}
	if (r == ERR_NOTFOUND && !add) {
		buf_addf(why, "There is no user %s; \"pabal user list\" shows all.", p->name.text);
		return ERR_NOTFOUND;
	}
	return 0;
}

/* Of a domain here in lower case, as names are compared; elsewhere as it was written. */
static int alias_target(struct store *st, struct slice text, struct admin_plan *p, struct buf *why)
{
	struct store_domain d;
	struct name n;
	struct slice whole;
	int r;

	if ((r = parse_name(text, &n, why)) != 0)
		return r;
	r = store_domain_get(st, name_domain(&n), &d);
	if (r == ERR_NOTFOUND)
		return name_canonical(text, p->target, &whole);
	if (r != 0)
		return fault(why, r);
	return slice_to_cstr(name_text(&n), p->target, sizeof(p->target));
}

static int check_alias(struct store *st, const struct account_admin *req, struct admin_plan *p, struct buf *why)
{
	struct store_domain d;
	int r;

	if ((r = parse_name(req->name, &p->name, why)) != 0)
		return r;
	if (req->target.len == 0 && req->verb == ADMIN_ALIAS_ADD) {
		buf_add_cstr(why, "An alias needs a target: NAME@DOMAIN.");
		return ERR_SYNTAX;
	}
	if (req->target.len != 0 && (r = alias_target(st, req->target, p, why)) != 0)
		return r;
	r = store_domain_get(st, name_domain(&p->name), &d);
	if (r == ERR_NOTFOUND)
		return no_domain(why, name_domain(&p->name));
	return r == 0 ? 0 : fault(why, r);
}

int admin_check(struct store *st, const struct account_admin *req, struct admin_plan *p_r, struct buf *why)
{
	memset(p_r, 0, sizeof(*p_r));
	p_r->verb = req->verb;
	switch (req->verb) {
	case ADMIN_DOMAIN_ADD:
	case ADMIN_DOMAIN_DELETE:
		return check_domain(st, req, p_r, why);
	case ADMIN_USER_ADD:
	case ADMIN_USER_DELETE:
	case ADMIN_USER_PASSWORD:
	case ADMIN_USER_ADD_HASH:
	case ADMIN_USER_PASSWORD_HASH:
		return check_user(st, req, p_r, why);
	case ADMIN_ALIAS_ADD:
	case ADMIN_ALIAS_DELETE:
		return check_alias(st, req, p_r, why);
	default:
		buf_add_cstr(why, "accountd does not know this request; is pabal of the same version?");
		return ERR_SYNTAX;
	}
}

static int apply(struct store *st, const struct admin_plan *p, const struct store_password *pw, uint64_t now, uint64_t *value_r)
{
	switch (p->verb) {
	case ADMIN_DOMAIN_ADD:
		return store_domain_add(st, slice_cstr(p->domain), now, value_r);
	case ADMIN_DOMAIN_DELETE:
		return store_domain_delete(st, slice_cstr(p->domain));
	case ADMIN_USER_ADD:
	case ADMIN_USER_ADD_HASH:
		return store_user_add(st, &p->name, pw, now, value_r);
	case ADMIN_USER_DELETE:
		return store_user_delete(st, &p->name, value_r);
	case ADMIN_USER_PASSWORD:
	case ADMIN_USER_PASSWORD_HASH:
		return store_user_password(st, &p->name, pw, value_r);
	case ADMIN_ALIAS_ADD:
		return store_alias_add(st, &p->name, slice_cstr(p->target), now);
	case ADMIN_ALIAS_DELETE:
		return store_alias_delete(st, &p->name, slice_cstr(p->target), value_r);
	default:
		return ERR_STATE;
	}
}

int admin_apply(struct store *st, const struct admin_plan *p, const struct store_password *pw, uint64_t now, uint64_t *value_r,
    struct buf *why)
{
	int r;

	*value_r = 0;
	r = apply(st, p, pw, now, value_r);
	if (r == 0)
		return 0;
	if (r == ERR_STATE && p->verb == ADMIN_DOMAIN_DELETE)
		buf_addf(why, "The domain %s still has users or aliases; delete them first "
		    "(\"pabal user list %s\", \"pabal alias list %s\").", p->domain, p->domain, p->domain);
	else if (r == ERR_EXISTS && p->verb == ADMIN_ALIAS_ADD)
		buf_addf(why, "The alias %s has the target %s already.", p->name.text, p->target);
	else if (r == ERR_NOTFOUND && p->verb == ADMIN_ALIAS_DELETE)
		buf_addf(why, "There is no alias %s%s%s; \"pabal alias list\" shows all.", p->name.text,
		    p->target[0] != '\0' ? " with the target " : "", p->target);
	else if (r == ERR_EXISTS || r == ERR_NOTFOUND)
		buf_add_cstr(why, "Somebody else changed the same thing meanwhile; look and try again.");
	else
		return fault(why, r);
	return r;
}
