#ifndef PABAL_CONTROL_ARGS_H
#define PABAL_CONTROL_ARGS_H

#include <stdbool.h>

#include "common/base/buf.h"

/* The command line of pabal: options anywhere, words in order; "--" ends the options. */
enum {
	OPT_JSON = 1,           /* --json */
	OPT_PASSWORD = 2,       /* --password-file FILE */
	OPT_ALL = 4,            /* --all */
	OPT_VERBOSE = 8,        /* -v, --verbose */
	OPT_OUTPUT = 16,        /* --output FILE */
	OPT_HELP = 32,          /* -h, --help */
	OPT_VERSION = 64,       /* --version */
	OPT_FROM = 128,         /* --from LSN */
	OPT_TYPE = 256,         /* --type TYPE */
	OPT_DAYS = 512,         /* --days N */
	OPT_NAME = 1024,        /* --name NAME */
	OPT_HASH = 2048,        /* --hash */
	OPT_LABEL = 4096,       /* --label TEXT */
	OPT_SERVICE = 8192,     /* --service NAMES */
	OPT_ANYWHERE = OPT_JSON | OPT_HELP | OPT_VERSION,
};

struct args {
	unsigned opts;                  /* OPT_ bits that were given */
	const char *config;             /* -c FILE, --config FILE; NULL: the default */
	const char *password_file;
	const char *output;
	const char *from;
	const char *type, *days, *name;
	const char *label, *service;
	const char **words;             /* points into argv; freed by args_free() */
	unsigned words_n;
};

/* argv[0] is passed over. ERR_SYNTAX: a sentence is in why. Free it in any case. */
int args_parse(int argc, const char *const *argv, struct args *a_r, struct buf *why) MUST_CHECK;
void args_free(struct args *a);

#endif
