#include "pop3d/server.h"

int main(int argc, char **argv)
{
	return daemon_run(argc, argv, &pop3_server_spec);
}
