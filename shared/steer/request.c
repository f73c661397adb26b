/* Looking for a permission request: from the end of the log, block by block. */
#include "event/between.h"
#include "json/value.h"
#include "steer/steer.h"

enum { READS_MAX = 64 };

struct search {
	struct str request;
	bool is_found; /* in this block */
	bool is_over;  /* the agent before another one asked what comes before */
};

/* Whoever had the session before is gone with an epoch of these. */
static bool replaces_agent(const struct json_value *data)
{
	struct str cause = json_as_str(json_get(data, "cause"));

	return str_eq(cause, STR_LIT("lease")) || str_eq(cause, STR_LIT("requeue")) ||
	       str_eq(cause, STR_LIT("cancel"));
}

/* Oldest first: what is found is forgotten when its agent goes. */
static void look_at(void *arg, const struct log_event *event)
{
	struct search *search = arg;
	struct json_value *data CLEANUP(json_value_cleanup) = NULL;
	enum event_type type;
	struct err err;

	if (!event_type_parse(event->type, &type) ||
	    (type != EVENT_TYPE_PERMISSION_REQUEST && type != EVENT_TYPE_EPOCH)) {
		return;
	}
	data = json_parse(event->data, &err);
	if (type == EVENT_TYPE_EPOCH) {
		bool replaces = replaces_agent(data);

		search->is_found = search->is_found && !replaces;
		search->is_over = search->is_over || replaces;
	} else if (str_eq(json_as_str(json_get(data, "request_id")), search->request)) {
		search->is_found = true;
	}
}

enum err_code steer_is_asked(const struct steer *steer, const struct steer_session *session,
                             struct str request, bool *ret, struct err *err)
{
	struct search search = { .request = request };
	struct between between = { .store = steer->store,
		                   .pg = steer->pg,
		                   .sid = session->id,
		                   .tenant = steer->who->tenant,
		                   .each = look_at,
		                   .arg = &search };
	uint64_t through = session->head.at.n;
	enum err_code code = ERR_OK;

	while (code == ERR_OK && through > 0 && !search.is_found && !search.is_over &&
	       between.reads < READS_MAX) {
		uint64_t after = through > BETWEEN_BLOCK ? through - BETWEEN_BLOCK : 0;

		code = between_read(&between, after, through, err);
		through = after;
	}
	if (code == ERR_OK) {
		*ret = search.is_found || (through > 0 && !search.is_over);
	}
	return code;
}
