#include "steer/status.h"

#include "json/write.h"
#include "log/log.h"
#include "steer/notify.h"

enum { JSON_MAX = 16 * 1024 };

static struct str write(const char *status, struct str reason, struct arena *arena)
{
	struct jsonw w;
	struct buf out;
	struct str json;

	buf_init(&out, JSON_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	if (status != NULL) {
		jsonw_cstr(&w, "status", status);
	}
	if (reason.n > 0) {
		jsonw_str(&w, "reason", reason);
	}
	jsonw_end_object(&w);
	json = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return json;
}

struct str steer_status_json(enum session_state state, struct str reason, struct arena *arena)
{
	return write(session_state_name(state), reason, arena);
}

struct str steer_reason_json(struct str reason, struct arena *arena)
{
	return write(NULL, reason, arena);
}

/* Both say what was decided. */
static void write_decision(struct jsonw *w, const struct steer_approval *approval)
{
	jsonw_str(w, "request_id", approval->request);
	jsonw_cstr(w, "behavior", approval->behavior);
	jsonw_cstr(w, "scope", approval->scope);
}

struct str steer_approval_json(const struct steer_approval *approval, struct arena *arena)
{
	struct jsonw w;
	struct buf out;
	struct str json;

	buf_init(&out, STEER_PAYLOAD_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	write_decision(&w, approval);
	if (approval->updated_input.p != NULL) {
		jsonw_raw(&w, "updated_input", approval->updated_input);
	}
	if (approval->permissions.p != NULL) {
		jsonw_raw(&w, "updated_permissions", approval->permissions);
	}
	if (approval->message.n > 0) {
		jsonw_str(&w, "message", approval->message);
	}
	if (approval->option.n > 0) {
		jsonw_str(&w, "option", approval->option);
	}
	if (approval->answers.p != NULL) {
		jsonw_raw(&w, "answers", approval->answers);
	}
	if (approval->interrupt) {
		jsonw_bool(&w, "interrupt", true);
	}
	jsonw_end_object(&w);
	json = buf_failed(&out) ? (struct str){ NULL, 0 } : arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return json;
}

const char *steer_answerer(const struct steer_approval *approval, const struct principal *who)
{
	if (approval->by != NULL) {
		return approval->by;
	}
	return who->owner[0] != '\0' ? who->owner : auth_actor(who);
}

struct str steer_resolved_json(const struct steer_approval *approval, const struct id *command,
                               const struct id *rule, const struct principal *by,
                               struct arena *arena)
{
	struct jsonw w;
	struct buf out;
	struct str json;

	buf_init(&out, JSON_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	write_decision(&w, approval);
	if (approval->outcome != NULL) {
		jsonw_cstr(&w, "outcome", approval->outcome);
	}
	jsonw_cstr(&w, "by", steer_answerer(approval, by));
	jsonw_cstr(&w, "command_id", command->s);
	if (!id_is_nil(rule)) {
		jsonw_cstr(&w, "rule_id", rule->s);
	}
	jsonw_end_object(&w);
	json = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return json;
}

void steer_finish_queue(const struct steer *steer, const struct id *sid, const char *reason)
{
	const struct queue queue = steer_queue(steer->store->redis, steer->who->tenant);
	const struct queue_move done = { .sid = *sid, .reason = reason };
	enum queue_set set;
	struct err err;

	/* The scheduler reads the head before it leases: an item left behind is finished then. */
	if (queue_finish(&queue, &done, &set, &err) != ERR_OK && err.code != ERR_NOT_FOUND) {
		log_debug("queue.unfinished", "session=%s code=%s %s", sid->s, err_name(err.code),
		          err.msg);
	}
}
