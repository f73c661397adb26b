/* `fairlead upload FILE...`: files for prompts to refer to. */
#include "cli/upload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "cli/client_around.h"
#include "cli/command.h"
#include "cli/render.h"
#include "cli/verbs.h"
#include "json/value.h"

enum { PATH_SIZE = 2048 };

static void add_name(struct buf *out, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;

	for (; *name != '\0'; name++) {
		unsigned char c = (unsigned char)*name;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		             (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';

		buf_addf(out, plain ? "%c" : "%%%02X", c);
	}
}

static enum err_code open_file(const char *path, struct client_ask *ask, struct err *err)
{
	struct stat about;

	ask->file = fopen(path, "re");
	if (ask->file == NULL || fstat(fileno(ask->file), &about) != 0) {
		return err_set(err, ERR_INVALID, "%s cannot be read: %s", path, strerror(errno));
	}
	if (!S_ISREG(about.st_mode)) {
		return err_set(err, ERR_INVALID, "%s is no file", path);
	}
	ask->file_size = (uint64_t)about.st_size;
	return ERR_OK;
}

/* reply: client_reply_fini() is due where this is ERR_OK. */
static enum err_code send_file(struct client *client, const char *path, struct client_reply *reply,
                               struct err *err)
{
	struct client_ask ask = { .method = "POST" };
	enum err_code code = open_file(path, &ask, err);
	struct buf where;

	buf_init(&where, PATH_SIZE);
	buf_add_cstr(&where, "/api/v1/uploads?name=");
	add_name(&where, path);
	ask.path = buf_cstr(&where);
	if (code == ERR_OK) {
		code = client_request(client, &ask, reply, err);
		if (code == ERR_OK && reply->status >= 400) {
			code = client_problem(reply, err);
		}
		if (code != ERR_OK) {
			client_reply_fini(reply);
		}
	}
	if (ask.file != NULL) {
		(void)fclose(ask.file);
	}
	buf_fini(&where);
	return code;
}

static bool take_id(const struct client_reply *reply, struct id *ret)
{
	struct err err;
	struct json_value *json = json_parse(buf_str(&reply->body), &err);
	bool ok = id_parse(json_as_str(json_get(json, "id")), ret);

	json_value_free(json);
	return ok;
}

enum err_code upload_file(struct client *client, const char *path, struct id *ret, struct err *err)
{
	struct client_reply reply;
	enum err_code code = send_file(client, path, &reply, err);

	if (code == ERR_OK) {
		if (!take_id(&reply, ret)) {
			code = err_set(err, ERR_BACKEND, "the server's answer names no upload");
		}
		client_reply_fini(&reply);
	}
	return code;
}

static enum err_code tell_one(struct client *client, const struct call *call, const char *path,
                              struct err *err)
{
	struct client_reply reply;
	struct id id = { "" };
	enum err_code code = send_file(client, path, &reply, err);

	if (code != ERR_OK) {
		return code;
	}
	if (call_has(call, OPTION_JSON)) {
		render_text(stdout, buf_str(&reply.body));
	} else if (take_id(&reply, &id)) {
		(void)printf("%s  %s", id.s, path);
	}
	(void)putchar('\n');
	client_reply_fini(&reply);
	return ERR_OK;
}

static int run(struct call *call)
{
	enum err_code code = ERR_OK;
	struct client client;
	struct err err;

	if (client_open(&client, call_text(call, OPTION_URL), call_text(call, OPTION_KEY), &err) !=
	    ERR_OK) {
		return client_fail(&err);
	}
	for (int i = 0; code == ERR_OK && i < call->word_count; i++) {
		code = tell_one(&client, call, call->words[i], &err);
	}
	client_close(&client);
	return code == ERR_OK ? EXIT_DONE : client_fail(&err);
}

static const struct verb verbs[] = {
	{ NULL,
	  "FILE...",
	  1,
	  VERB_WORDS_ANY,
	  run,
	  "Upload files for prompts to refer to.",
	  { OPTION_JSON, OPTION_URL, OPTION_KEY } },
};

const struct verb_group verbs_upload = {
	.command = "upload",
	.verbs = verbs,
	.count = ARRAY_LEN(verbs),
	.notes = "What it prints is the id that a prompt names it by; "
		 "`fairlead session prompt --image FILE` does both.\n",
};

int command_upload(int argc, char **argv)
{
	return verb_main("upload", argc, argv);
}
