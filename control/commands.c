#include "control/command.h"

const struct command commands[] = {
	{ "start", NULL, "", 0, 0, 0, 0, cmd_start, "start the system and wait until it is ready" },
	{ "stop", NULL, "", 0, 0, 0, 0, cmd_stop, "finish what is in flight and stop" },
	{ "reload", NULL, "", 0, 0, 0, 0, cmd_reload, "check the configuration and take it up" },
	{ "status", NULL, "", 0, 0, OPT_VERBOSE, 0, cmd_status, "the processes and how they are" },
	{ "check", NULL, "", 0, 0, OPT_VERBOSE, COMMAND_NO_CONF, cmd_check,
		"report every error of the configuration; -v prints it with all defaults" },
	{ "domain", "add", "DOMAIN", 1, 1, 0, 0, cmd_domain_add, "take mail for a domain" },
	{ "domain", "delete", "DOMAIN", 1, 1, 0, 0, cmd_domain_delete, "no more; it must have no users and aliases" },
	{ "domain", "list", "", 0, 0, 0, 0, cmd_domain_list, "all domains" },
	{ "user", "add", "USER@DOMAIN", 1, 1, OPT_PASSWORD | OPT_HASH, 0, cmd_user_add,
		"make a user; asks for the password (--hash: for its hash, as crypt(5) writes it)" },
	{ "user", "delete", "USER@DOMAIN", 1, 1, 0, 0, cmd_user_delete, "delete a user with all mail" },
	{ "user", "password", "USER@DOMAIN", 1, 1, OPT_PASSWORD | OPT_HASH, 0, cmd_user_password, "give a user a new password" },
	{ "user", "passwd", "USER@DOMAIN", 1, 1, OPT_PASSWORD | OPT_HASH, 0, cmd_user_password, "the same" },
	{ "user", "show", "USER@DOMAIN", 1, 1, 0, 0, cmd_user_show, "what is known of a user, with the app passwords" },
	{ "user", "list", "[DOMAIN]", 0, 1, 0, 0, cmd_user_list, "the users of a domain, or all" },
	{ "app-password", "add", "USER@DOMAIN", 1, 1, OPT_LABEL | OPT_SERVICE, 0, cmd_app_add,
		"make a further password, for one program; it is shown once" },
	{ "app-password", "list", "USER@DOMAIN", 1, 1, 0, 0, cmd_app_list, "when and from where each was used last" },
	{ "app-password", "delete", "USER@DOMAIN ID", 2, 2, 0, 0, cmd_app_delete, "it is good for nothing any more" },
	{ "login-failures", "list", "", 0, 0, 0, 0, cmd_failures_list, "addresses and names with failed logins" },
	{ "login-failures", "clear", "ADDRESS|USER@DOMAIN", 1, 1, 0, 0, cmd_failures_clear, "forgive them: the next login does not wait" },
	{ "login-failures", NULL, "", 0, 0, 0, 0, cmd_failures_list, "the same" },
	{ "oauth-validator", NULL, "PROGRAM [ARGUMENT ...]", 1, 1000, 0, 0, cmd_validator,
		"run the program for each OAuth token that accountd wants judged" },
	{ "alias", "add", "ALIAS@DOMAIN ADDRESS", 2, 2, 0, 0, cmd_alias_add, "one more address that mail to the alias goes to" },
	{ "alias", "delete", "ALIAS@DOMAIN [ADDRESS]", 1, 2, 0, 0, cmd_alias_delete, "take an address, or all, from an alias" },
	{ "alias", "list", "[DOMAIN]", 0, 1, 0, 0, cmd_alias_list, "the aliases of a domain, or all" },
	{ "autoconfig", NULL, "DOMAIN", 1, 1, 0, 0, cmd_autoconfig, "the settings of mail clients, as the file that they look for" },
	{ "cert", "list", "", 0, 0, 0, 0, cmd_cert_list, "the certificates and how long they last; status 1: one needs attention" },
	{ "cert", "check", "", 0, 0, 0, 0, cmd_cert_check, "says only which certificates need attention, with status 1: for cron" },
	{ "cert", "install", "[NAME] CHAINFILE KEYFILE", 2, 3, 0, 0, cmd_cert_install, "use a certificate, or a renewed one, from now on" },
	{ "cert", "self-sign", "HOST ...", 1, 100, OPT_TYPE | OPT_DAYS | OPT_NAME, 0, cmd_cert_self_sign,
		"make a certificate that nobody but itself vouches for" },
	{ "cert", "export", "NAME", 1, 1, 0, 0, cmd_cert_export, "print the chain of a certificate in PEM" },
	{ "cert", "delete", "NAME", 1, 1, 0, 0, cmd_cert_delete, "delete a certificate and its private key" },
	{ "queue", "list", "[MATCH]", 0, 1, 0, 0, cmd_queue_list, "what waits, or what of it has MATCH in an address" },
	{ "queue", "show", "ID", 1, 1, 0, 0, cmd_queue_show, "a message with all its recipients" },
	{ "queue", "flush", "[ID | MATCH]", 0, 1, OPT_ALL, 0, cmd_queue_flush, "try now; without an operand all" },
	{ "queue", "hold", "ID | MATCH", 1, 1, OPT_ALL, 0, cmd_queue_hold, "keep from being sent (--all: everything)" },
	{ "queue", "release", "ID | MATCH", 1, 1, OPT_ALL, 0, cmd_queue_release, "send again what was held" },
	{ "queue", "delete", "ID | MATCH", 1, 1, OPT_ALL, 0, cmd_queue_delete, "drop without a notice to the sender" },
	{ "queue", "destinations", "", 0, 0, 0, 0, cmd_queue_destinations, "what is being sent where" },
	{ "trace", NULL, "ID", 1, 1, 0, 0, cmd_trace, "everything that happened to a message" },
	{ "spool", "stats", "", 0, 0, 0, 0, cmd_spool_stats, "numbers of the spool" },
	{ "spool", "compact", "", 0, 0, OPT_ALL, 0, cmd_spool_compact, "give back the space of deleted mail now" },
	{ "spool", "check", "", 0, 0, 0, 0, cmd_spool_check, "look at every byte of a stopped spool and tell what is wrong" },
	{ "spool", "dump", "", 0, 0, OPT_FROM, 0, cmd_spool_dump, "every change in the log of a stopped spool, one a line" },
	{ "spool", "rebuild", "", 0, 0, 0, 0, cmd_spool_rebuild, "make the index of a stopped spool anew from its log" },
	{ "spool", "purge", "ACCOUNT", 1, 1, 0, 0, cmd_spool_purge, "delete the mail of an account number that has no user" },
};
const unsigned commands_n = ARRAY_LEN(commands);

const struct command *command_find(const char *const *words, unsigned n, unsigned *used_r, struct buf *why)
{
	bool family = false;

	*used_r = 0;
	if (n == 0) {
		buf_add_cstr(why, "What shall be done? \"pabal --help\" shows all commands.");
		return NULL;
	}
	for (unsigned i = 0; i < commands_n; i++) {
		const struct command *c = &commands[i];

		if (strcmp(c->name, words[0]) != 0)
			continue;
		family = true;
		if (c->verb != NULL && (n < 2 || strcmp(c->verb, words[1]) != 0))
			continue;
		*used_r = c->verb != NULL ? 2 : 1;
		return c;
	}
	if (!family) {
		buf_addf(why, "There is no command \"%s\"; \"pabal --help\" shows all.", words[0]);
		return NULL;
	}
	buf_addf(why, "\"pabal %s\" is followed by one of:", words[0]);
	for (unsigned i = 0; i < commands_n; i++)
		if (strcmp(commands[i].name, words[0]) == 0)
			buf_addf(why, " %s", commands[i].verb);
	buf_add_byte(why, '.');
	return NULL;
}

static void add_synopsis(struct buf *b, const struct command *c)
{
	buf_addf(b, "pabal %s", c->name);
	if (c->verb != NULL)
		buf_addf(b, " %s", c->verb);
	if ((c->opts & OPT_VERBOSE) != 0)
		buf_add_cstr(b, " [-v]");
	if ((c->opts & OPT_PASSWORD) != 0)
		buf_add_cstr(b, " [--password-file FILE]");
	if ((c->opts & OPT_HASH) != 0)
		buf_add_cstr(b, " [--hash]");
	if ((c->opts & OPT_LABEL) != 0)
		buf_add_cstr(b, " [--label TEXT]");
	if ((c->opts & OPT_SERVICE) != 0)
		buf_add_cstr(b, " [--service smtp,pop3,imap]");
	if ((c->opts & OPT_OUTPUT) != 0)
		buf_add_cstr(b, " [--output FILE]");
	if ((c->opts & OPT_FROM) != 0)
		buf_add_cstr(b, " [--from LSN]");
	if ((c->opts & OPT_TYPE) != 0)
		buf_add_cstr(b, " [--type ecdsa|rsa|ed25519]");
	if ((c->opts & OPT_DAYS) != 0)
		buf_add_cstr(b, " [--days N]");
	if ((c->opts & OPT_NAME) != 0)
		buf_add_cstr(b, " [--name NAME]");
	if ((c->opts & OPT_ALL) != 0)
		buf_add_cstr(b, " [--all]");
	if (c->operands[0] != '\0')
		buf_addf(b, " %s", c->operands);
}

int command_check(const struct command *c, const struct args *a, unsigned operands, struct buf *why)
{
	unsigned wrong = a->opts & ~(c->opts | OPT_ANYWHERE);

	/* --all stands for an operand */
	if ((a->opts & OPT_ALL) != 0 && operands < c->min)
		operands++;
	if (wrong == 0 && operands >= c->min && operands <= c->max)
		return 0;
	buf_add_cstr(why, wrong != 0 ? "An option does not fit this command" : operands < c->min ?
	    "Something is missing" : "There is more than expected");
	buf_add_cstr(why, "; the form is: ");
	add_synopsis(why, c);
	return ERR_SYNTAX;
}

void command_usage(struct buf *b)
{
	buf_add_cstr(b, "usage: pabal [-c FILE] [--json] COMMAND ...\n\n");
	for (unsigned i = 0; i < commands_n; i++) {
		buf_add_cstr(b, "  ");
		add_synopsis(b, &commands[i]);
		buf_addf(b, "\n        %s\n", commands[i].help);
	}
	buf_add_cstr(b, "\n-c FILE     the configuration, else the installed one\n"
	    "--json      the answer as one JSON value\n"
	    "Exit status: 0 done, 1 it could not be done, 2 the command line or the configuration is wrong.\n");
}
