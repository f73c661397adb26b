#include "cli/client_around.h"

#include <stdio.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/render.h"

int client_fail(const struct err *err)
{
	(void)fprintf(stderr, "fairlead: %s\n", err->msg);
	return EXIT_FAILED;
}

static int open_for(const struct call *call, struct client *client)
{
	struct err err;

	return client_open(client, call_text(call, OPTION_URL), call_text(call, OPTION_KEY),
	                   &err) == ERR_OK
	               ? EXIT_DONE
	               : client_fail(&err);
}

int client_around(struct call *call)
{
	struct client client;
	int status = open_for(call, &client);

	if (status != EXIT_DONE) {
		return status;
	}
	call->host = &client;
	status = call->verb->run(call);
	client_close(&client);
	return status;
}

int client_print(const struct call *call, struct client *client, const struct client_ask *asked,
                 client_show_fn *show, const void *arg)
{
	struct client_reply reply;
	int status = EXIT_DONE;
	struct err err;

	if (client_request(client, asked, &reply, &err) != ERR_OK ||
	    (reply.status >= 400 && client_problem(&reply, &err) != ERR_OK)) {
		status = client_fail(&err);
	} else if (call_has(call, OPTION_JSON) && reply.body.len > 0) {
		render_text(stdout, buf_str(&reply.body));
		(void)putchar('\n');
	} else if (show != NULL) {
		show(buf_str(&reply.body), arg);
	}
	client_reply_fini(&reply);
	return status;
}

int client_show(const struct call *call, const struct client_ask *asked, client_show_fn *show,
                const void *arg)
{
	struct client client;
	int status = open_for(call, &client);

	if (status != EXIT_DONE) {
		return status;
	}
	status = client_print(call, &client, asked, show, arg);
	client_close(&client);
	return status;
}
