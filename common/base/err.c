#include "common/base/err.h"

const char *err_str(int r)
{
	static const char *const text[] = {
		"ok", "out of memory", "input/output error", "syntax error",
		"over a limit", "not allowed now", "try again", "not found",
		"exists already", "permission denied", "full", "corrupt",
		"connection closed", "timed out", "unknown version",
	};
	unsigned i = r <= 0 ? (unsigned)-r : ARRAY_LEN(text);

	return i < ARRAY_LEN(text) ? text[i] : "unknown error";
}
