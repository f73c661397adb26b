#include "cli/client_around.h"

#include <stdio.h>

#include "cli/client.h"
#include "cli/command.h"

int client_fail(const struct err *err)
{
	(void)fprintf(stderr, "fairlead: %s\n", err->msg);
	return EXIT_FAILED;
}

int client_around(struct call *call)
{
	struct client client;
	struct err err;
	int status;

	if (client_open(&client, call_text(call, OPTION_URL), call_text(call, OPTION_KEY), &err) !=
	    ERR_OK) {
		return client_fail(&err);
	}
	call->host = &client;
	status = call->verb->run(call);
	client_close(&client);
	return status;
}
