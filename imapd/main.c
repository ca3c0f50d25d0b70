#include "imapd/server.h"

int main(int argc, char **argv)
{
	return daemon_run(argc, argv, &imap_server_spec);
}
