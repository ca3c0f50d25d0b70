#include "control/args.h"

#include <stdlib.h>

struct option {
	const char *name;       /* with its dashes */
	unsigned opt;           /* 0: only a value */
	size_t value;           /* offset in struct args of what takes the value, or NONE */
};

#define NONE SIZE_MAX

static const struct option options[] = {
	{ "-c", 0, offsetof(struct args, config) },
	{ "--config", 0, offsetof(struct args, config) },
	{ "--json", OPT_JSON, NONE },
	{ "--password-file", OPT_PASSWORD, offsetof(struct args, password_file) },
	{ "--output", OPT_OUTPUT, offsetof(struct args, output) },
	{ "--from", OPT_FROM, offsetof(struct args, from) },
	{ "--type", OPT_TYPE, offsetof(struct args, type) },
	{ "--days", OPT_DAYS, offsetof(struct args, days) },
	{ "--name", OPT_NAME, offsetof(struct args, name) },
	{ "--hash", OPT_HASH, NONE },
	{ "--label", OPT_LABEL, offsetof(struct args, label) },
	{ "--service", OPT_SERVICE, offsetof(struct args, service) },
	{ "--all", OPT_ALL, NONE },
	{ "-v", OPT_VERBOSE, NONE },
	{ "--verbose", OPT_VERBOSE, NONE },
	{ "-h", OPT_HELP, NONE },
	{ "--help", OPT_HELP, NONE },
	{ "--version", OPT_VERSION, NONE },
};

/* The option that arg is, with its value behind '=' (long ones) or glued to it (-cFILE), or NULL. */
static const struct option *find(const char *arg, const char **value_r)
{
	*value_r = NULL;
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		const struct option *o = &options[i];
		size_t n = strlen(o->name);

		if (strncmp(arg, o->name, n) != 0)
			continue;
		if (arg[n] == '\0')
			return o;
		if (o->value != NONE && (n == 2 || arg[n] == '=')) {
			*value_r = arg + n + (n == 2 ? 0 : 1);
			return o;
		}
	}
	return NULL;
}

static const char *what_of(unsigned opt)
{
	return opt == OPT_FROM || opt == OPT_DAYS ? "a number" : opt == OPT_TYPE ? "a type of key" : opt == OPT_NAME ? "a name" :
	    opt == OPT_LABEL ? "a text" : opt == OPT_SERVICE ? "smtp, pop3 or imap" :
	    "a file name";
}

static int take_option(int argc, const char *const *argv, int *i, struct args *a, struct buf *why)
{
	const char *value;
	const struct option *o = find(argv[*i], &value);

	if (o == NULL) {
		buf_addf(why, "There is no option %s; \"pabal --help\" shows all.", argv[*i]);
		return ERR_SYNTAX;
	}
	a->opts |= o->opt;
	if (o->value == NONE)
		return 0;
	if (value == NULL && ++*i < argc)
		value = argv[*i];
	if (value == NULL || value[0] == '\0') {
		buf_addf(why, "The option %s needs %s behind it.", o->name, what_of(o->opt));
		return ERR_SYNTAX;
	}
	memcpy((char *)a + o->value, &value, sizeof(value));
	return 0;
}

int args_parse(int argc, const char *const *argv, struct args *a_r, struct buf *why)
{
	bool options_over = false;
	int r = 0;

	memset(a_r, 0, sizeof(*a_r));
	a_r->words = calloc((size_t)argc + 1, sizeof(*a_r->words));
	if (a_r->words == NULL)
		return ERR_NOMEM;
	for (int i = 1; i < argc && r == 0; i++) {
		if (!options_over && strcmp(argv[i], "--") == 0)
			options_over = true;
		else if (!options_over && argv[i][0] == '-' && argv[i][1] != '\0')
			r = take_option(argc, argv, &i, a_r, why);
		else
			a_r->words[a_r->words_n++] = argv[i];
	}
	return r;
}

void args_free(struct args *a)
{
	free(a->words);
	a->words = NULL;
}
