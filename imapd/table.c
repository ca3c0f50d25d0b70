/*
 * All commands, RFC 3501 6: what parses, what runs, where each is allowed and
 * what it may tell. The loop checks all of that; a command cannot forget to.
 */
#include "imapd/commands.h"

static const struct imap_command commands[] = {
	/* any state */
	{ "CAPABILITY", imap_parse_none, imap_run_capability, IMAP_ANY, 0 },
	{ "NOOP", imap_parse_none, imap_run_noop, IMAP_ANY, CMD_EXPUNGE },
	{ "LOGOUT", imap_parse_none, imap_run_logout, IMAP_ANY, CMD_NO_SYNC },
	{ "ID", imap_parse_id, imap_run_id, IMAP_ANY, 0 },
	/* not authenticated */
	{ "LOGIN", imap_parse_login, imap_run_login, IMAP_NOAUTH, 0 },
	{ "AUTHENTICATE", imap_parse_authenticate, imap_run_authenticate, IMAP_NOAUTH, 0 },
	{ "STARTTLS", imap_parse_none, imap_run_starttls, IMAP_NOAUTH, 0 },
	/* authenticated or selected */
	{ "ENABLE", imap_parse_enable, imap_run_enable, IMAP_LOGGED_IN, 0 },
	{ "SELECT", imap_parse_select, imap_run_select, IMAP_LOGGED_IN, CMD_NO_SYNC },
	{ "EXAMINE", imap_parse_select, imap_run_examine, IMAP_LOGGED_IN, CMD_NO_SYNC },
	{ "CREATE", imap_parse_create, imap_run_create, IMAP_LOGGED_IN, CMD_EXPUNGE },
	{ "DELETE", imap_parse_name, imap_run_delete, IMAP_LOGGED_IN, CMD_EXPUNGE },
	{ "RENAME", imap_parse_rename, imap_run_rename, IMAP_LOGGED_IN, CMD_EXPUNGE },
	{ "SUBSCRIBE", imap_parse_name, imap_run_subscribe, IMAP_LOGGED_IN, CMD_EXPUNGE },
	{ "UNSUBSCRIBE", imap_parse_name, imap_run_unsubscribe, IMAP_LOGGED_IN, CMD_EXPUNGE },
	{ "LIST", imap_parse_list, imap_run_list, IMAP_LOGGED_IN, CMD_EXPUNGE },
	{ "LSUB", imap_parse_list, imap_run_lsub, IMAP_LOGGED_IN, CMD_EXPUNGE },
	{ "NAMESPACE", imap_parse_none, imap_run_namespace, IMAP_LOGGED_IN, CMD_EXPUNGE },
	{ "STATUS", imap_parse_status, imap_run_status, IMAP_LOGGED_IN, CMD_EXPUNGE },
	{ "APPEND", imap_parse_append, imap_run_append, IMAP_LOGGED_IN, CMD_EXPUNGE },
	{ "IDLE", imap_parse_none, imap_run_idle, IMAP_LOGGED_IN, CMD_EXPUNGE },
	/* selected */
	{ "CHECK", imap_parse_none, imap_run_noop, IMAP_SELECTED, CMD_EXPUNGE },
	{ "CLOSE", imap_parse_none, imap_run_close, IMAP_SELECTED, CMD_NO_SYNC | CMD_ROWS },
	{ "UNSELECT", imap_parse_none, imap_run_unselect, IMAP_SELECTED, CMD_NO_SYNC },
	{ "EXPUNGE", imap_parse_none, imap_run_expunge, IMAP_SELECTED, CMD_EXPUNGE | CMD_WRITE | CMD_ROWS },
	{ "SEARCH", imap_parse_search, imap_run_search, IMAP_SELECTED, CMD_ROWS },
	{ "FETCH", imap_parse_fetch, imap_run_fetch, IMAP_SELECTED, CMD_ROWS },
	{ "STORE", imap_parse_store, imap_run_store, IMAP_SELECTED, CMD_WRITE | CMD_ROWS },
	{ "COPY", imap_parse_copy, imap_run_copy, IMAP_SELECTED, CMD_EXPUNGE | CMD_ROWS },
	{ "MOVE", imap_parse_copy, imap_run_move, IMAP_SELECTED, CMD_EXPUNGE | CMD_WRITE | CMD_ROWS },
};

/* After "UID": sets are UIDs, and EXPUNGE may be told by all of them (RFC 3501 7.4.1). */
static const struct imap_command uid_commands[] = {
	{ "EXPUNGE", imap_parse_uid_expunge, imap_run_expunge, IMAP_SELECTED, CMD_UID | CMD_EXPUNGE | CMD_WRITE | CMD_ROWS },
	{ "SEARCH", imap_parse_search, imap_run_search, IMAP_SELECTED, CMD_UID | CMD_EXPUNGE | CMD_ROWS },
	{ "FETCH", imap_parse_fetch, imap_run_fetch, IMAP_SELECTED, CMD_UID | CMD_EXPUNGE | CMD_ROWS },
	{ "STORE", imap_parse_store, imap_run_store, IMAP_SELECTED, CMD_UID | CMD_EXPUNGE | CMD_WRITE | CMD_ROWS },
	{ "COPY", imap_parse_copy, imap_run_copy, IMAP_SELECTED, CMD_UID | CMD_EXPUNGE | CMD_ROWS },
	{ "MOVE", imap_parse_copy, imap_run_move, IMAP_SELECTED, CMD_UID | CMD_EXPUNGE | CMD_WRITE | CMD_ROWS },
};

const struct imap_command *imap_command_find(struct slice name, bool uid)
{
	const struct imap_command *list = uid ? uid_commands : commands;
	size_t n = uid ? ARRAY_LEN(uid_commands) : ARRAY_LEN(commands);

	for (size_t i = 0; i < n; i++)
		if (slice_ieq_cstr(name, list[i].name))
			return &list[i];
	return NULL;
}
