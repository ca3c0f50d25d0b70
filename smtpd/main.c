#include "smtpd/server.h"

int main(int argc, char **argv)
{
	return daemon_run(argc, argv, &smtp_server_spec);
}
