#include "steer/rule.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "json/value.h"
#include "json/write.h"
#include "log/log.h"
#include "queue/lease.h"
#include "queue/mail.h"

enum { WORKERS_MAX = 512, BODY_MAX = 8 * 1024 };

/* Of the row: the path that the agent's files are in. */
static struct str workspace_of(const struct session *row, struct arena *arena)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(row->workspace, &err);

	return arena_str(arena, json_as_str(json_get(json, "path")));
}

static enum err_code suggest(const struct session *row, bool allow, struct str question,
                             struct arena *arena, struct approval_rule *ret, struct err *err)
{
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(question, err);
	struct approval_question asked;

	if (json == NULL) {
		return err_set(err, ERR_INVALID, "the question is not known any more");
	}
	approval_question_of(json, workspace_of(row, arena), arena, &asked);
	return approval_rule_suggest(&asked, allow, arena, ret, err);
}

enum err_code steer_make_rule(const struct steer *steer, struct steer_session *session,
                              const struct steer_approval *approval, struct str question,
                              struct approval_rule *ret, bool *ret_made, struct err *err)
{
	const bool allow = strcmp(approval->behavior, "allow") == 0;
	struct approval_rule rule = { .allow = allow };
	enum err_code code = ERR_OK;

	*ret_made = false;
	if (strcmp(approval->scope, "always") != 0) {
		return ERR_OK;
	}
	if (!steer->who->any_namespace) {
		return approval->must_rule ? err_set(err, ERR_INVALID,
		                                     "a key of some namespaces makes no rules, "
		                                     "which are of all")
		                           : ERR_OK;
	}
	if (!session->has_row) {
		code = steer_find_row(steer, &session->id, &session->row, err);
		session->has_row = code == ERR_OK;
	}
	if (code != ERR_OK) {
		return code;
	}
	if (approval->rule != NULL) {
		rule = *approval->rule;
		rule.allow = allow;
	} else {
		code = suggest(&session->row, allow, question, steer->arena, &rule, err);
	}
	if (code == ERR_INVALID && !approval->must_rule) {
		log_info("approval.unruled", "session=%s %s", session->id.s, err->msg);
		return ERR_OK;
	}
	if (code == ERR_OK) {
		rule.id = id_new();
		rule.project = session->row.project;
		rule.user = session->row.owner;
		*ret = rule;
		*ret_made = true;
	}
	return code;
}

/* ---- telling ---- */

static void write_body(struct buf *out, const char *tenant, const struct approval_rule *rule,
                       bool gone)
{
	struct jsonw w;
	struct buf json;

	buf_init(&json, BODY_MAX);
	jsonw_init(&w, &json);
	approval_rule_write(&w, rule);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "tenant", tenant);
	jsonw_bool(&w, "gone", gone);
	jsonw_raw(&w, "rule", buf_str(&json));
	jsonw_end_object(&w);
	buf_fini(&json);
}

void steer_tell_rule(struct redis *redis, const char *tenant, const struct approval_rule *rule,
                     bool gone)
{
	struct lease_worker *workers = mem_calloc(WORKERS_MAX, sizeof(*workers));
	struct mail mail = { .kind = STR_LIT("rule") };
	enum err_code code;
	size_t count = 0;
	struct buf body;
	struct err err;

	buf_init(&body, 2 * (size_t)BODY_MAX);
	write_body(&body, tenant, rule, gone);
	mail.body = buf_str(&body);
	code = buf_failed(&body) ? err_set(&err, ERR_TOO_LARGE, "a rule")
	                         : lease_list(redis, workers, WORKERS_MAX, &count, &err);
	for (size_t i = 0; code == ERR_OK && i < count; i++) {
		mail.incarnation = str_of(workers[i].incarnation);
		code = mail_send(redis, workers[i].worker, &mail, &err);
	}
	if (code != ERR_OK) {
		log_warn("rule.untold", "rule=%s code=%s %s", rule->id.s, err_name(err.code),
		         err.msg);
	}
	buf_fini(&body);
	free(workers);
}
