#include "worker/deliver.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "json/value.h"
#include "log/log.h"
#include "worker/local_repo.h"

enum { NAME_SIZE = 64, ANSWER_TRIES = 50, ANSWER_RETRY_MS = 200 };

struct deliver {
	struct session_host *host;
	struct id sid;
	char name[NAME_SIZE];
	char url[GIT_URL_MAX + 1], commit[GIT_OID_MAX + 1], branch[GIT_BRANCH_MAX + 1];
};

static bool may_push(void *arg)
{
	const struct session_host *host = arg;

	return lease_keeper_holds(host->lease);
}

static enum err_code put(const struct deliver *d, struct err *err)
{
	struct session_host *host = d->host;
	const struct workspace_target target = { .url = str_of(d->url),
		                                 .commit = str_of(d->commit),
		                                 .branch = str_of(d->branch),
		                                 .may = may_push,
		                                 .arg = host };
	enum err_code code = local_repo_check(host->local_repos, target.url, err);

	return code == ERR_OK ? workspace_deliver_to(host->workspaces, &target, err) : code;
}

static void answer(const struct deliver *d, const char *text)
{
	enum err_code code = ERR_UNAVAILABLE;
	struct err err;

	for (int i = 0; i < ANSWER_TRIES && err_retryable(code) && !fiber_cancelled(); i++) {
		code = mail_answer(d->host->redis, d->name, text, &err);
		if (err_retryable(code)) {
			(void)fiber_sleep(ANSWER_RETRY_MS);
		}
	}
}

static void deliver_main(void *arg)
{
	struct deliver *d = arg;
	char text[MAIL_ANSWER_MAX + 1];
	struct err err = { .code = ERR_OK };
	enum err_code code;

	fiber_set_tag("session=%s", d->sid.s);
	code = put(d, &err);
	log_info("delivery.pushed", "branch=%s commit=%s code=%s %s", d->branch, d->commit,
	         err_name(code), err.msg);
	if (code == ERR_OK) {
		answer(d, "done");
	} else {
		(void)snprintf(text, sizeof(text), "%s %s",
		               code == ERR_CONFLICT ? "failed" : "again", err.msg);
		answer(d, text);
	}
	free(d);
}

void deliver_note(struct session_host *host, const struct mail *mail)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *root = json_parse(mail->body, &err);
	struct deliver *d = mem_calloc(1, sizeof(*d));

	d->host = host;
	d->sid = mail->sid;
	if (!str_copy(d->name, sizeof(d->name), json_as_str(json_get(root, "name"))) ||
	    !str_copy(d->url, sizeof(d->url), json_as_str(json_get(root, "url"))) ||
	    !str_copy(d->commit, sizeof(d->commit), json_as_str(json_get(root, "commit"))) ||
	    !str_copy(d->branch, sizeof(d->branch), json_as_str(json_get(root, "branch"))) ||
	    d->name[0] == '\0') {
		log_warn("delivery.damaged", "session=%s", mail->sid.s);
		free(d);
		return;
	}
	(void)fiber_start(host->loop, &host->fibers, "deliver", deliver_main, d);
}
