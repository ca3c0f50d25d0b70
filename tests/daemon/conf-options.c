/* Prints the table of options, one a line, for tests/lint/man-options.t: name, type, default, minimum, maximum. */
#include <stdio.h>

#include "common/daemon/conf.h"

int main(void)
{
	for (unsigned i = 0; i < conf_options_n; i++) {
		const struct conf_option *o = &conf_options[i];

		(void)printf("%s|%s|%s|%llu|%llu\n", o->name, o->type, o->def != NULL ? o->def : "",
		    (unsigned long long)o->min, (unsigned long long)o->max);
	}
	return 0;
}
