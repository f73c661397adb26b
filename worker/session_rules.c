#include "worker/session_rules.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "approval/rule.h"
#include "base/clock.h"
#include "base/mem.h"
#include "json/value.h"
#include "json/write.h"
#include "log/log.h"
#include "worker/session_private.h"

enum {
	RULES_MAX = 1024, /* of a session */
	GRANTS_MAX = 256, /* answers for its life, that no rule can say */
	GRANT_TEXT_MAX = 16 * 1024,
	NOTES_MAX = 256,
	NOTES_MS = 30000, /* an order may be older than a note by less */
};

/* A rule, and the JSON that it is a view of. */
struct kept_rule {
	TAILQ_ENTRY(kept_rule) link;
	struct json_value *json;
	struct approval_rule rule;
	bool own; /* of this session alone */
};
TAILQ_HEAD(kept_rules, kept_rule);

/* The very same question, where no rule says it. */
struct kept_grant {
	TAILQ_ENTRY(kept_grant) link;
	bool allow;
	char *text;
};
TAILQ_HEAD(kept_grants, kept_grant);

struct session_rules {
	struct kept_rules rules;
	struct kept_grants grants;
	unsigned rule_count, grant_count;
	struct json_value *order;
	struct str project, owner; /* of the session; views of order */
};

struct rule_note {
	TAILQ_ENTRY(rule_note) link;
	uint64_t at_ms;
	char *body;
};
TAILQ_HEAD(rule_notes, rule_note);

struct session_rule_notes {
	struct rule_notes notes; /* oldest first */
	unsigned count;
};

/* ---- keeping ---- */

static void drop_rule(struct session_rules *rules, struct kept_rule *kept)
{
	TAILQ_REMOVE(&rules->rules, kept, link);
	rules->rule_count--;
	json_value_free(kept->json);
	free(kept);
}

static void drop_id(struct session_rules *rules, const struct id *id)
{
	struct kept_rule *kept, *next;

	for (kept = TAILQ_FIRST(&rules->rules); kept != NULL; kept = next) {
		next = TAILQ_NEXT(kept, link);
		if (!kept->own && id_eq(&kept->rule.id, id)) {
			drop_rule(rules, kept);
		}
	}
}

/* What cannot be read is none. */
static void keep_rule(struct session_rules *rules, struct str text, bool own)
{
	struct kept_rule *kept = mem_calloc(1, sizeof(*kept));
	struct err err;

	kept->own = own;
	kept->json = json_parse(text, &err);
	if (rules->rule_count >= RULES_MAX || !approval_rule_read(kept->json, &kept->rule)) {
		json_value_free(kept->json);
		free(kept);
		return;
	}
	TAILQ_INSERT_TAIL(&rules->rules, kept, link);
	rules->rule_count++;
}

static void keep_json(struct session_rules *rules, const struct json_value *json)
{
	struct buf text;

	buf_init(&text, MAIL_BODY_MAX);
	json_format(json, &text);
	keep_rule(rules, buf_str(&text), false);
	buf_fini(&text);
}

static void keep_own(struct session_rules *rules, const struct approval_rule *rule)
{
	struct approval_rule named = *rule;
	struct buf text;
	struct jsonw w;

	named.id = id_new(); /* a rule has one, though nobody will ask for this */
	buf_init(&text, MAIL_BODY_MAX);
	jsonw_init(&w, &text);
	approval_rule_write(&w, &named);
	keep_rule(rules, buf_str(&text), true);
	buf_fini(&text);
}

/* ---- for the session's life ---- */

/* Tool and input. "": it is too large to remember. */
static void write_same(const struct json_value *question, struct buf *out)
{
	const struct json_value *input = json_get(question, "input");

	buf_add_str(out, json_as_str(json_get(question, "tool_name")));
	buf_add_char(out, '\n');
	if (input != NULL) {
		json_format(input, out);
	}
	if (buf_failed(out)) {
		buf_reset(out);
	}
}

static void grant_same(struct session_rules *rules, const struct json_value *question, bool allow)
{
	struct kept_grant *grant;
	struct buf text;

	buf_init(&text, GRANT_TEXT_MAX);
	write_same(question, &text);
	/* A question without a tool is about its words, which are not looked at. */
	if (json_as_str(json_get(question, "tool_name")).n > 0 && text.len > 0 &&
	    rules->grant_count < GRANTS_MAX) {
		grant = mem_calloc(1, sizeof(*grant));
		grant->allow = allow;
		grant->text = buf_take(&text);
		TAILQ_INSERT_TAIL(&rules->grants, grant, link);
		rules->grant_count++;
	}
	buf_fini(&text);
}

static void remember(struct session_run *s, const struct json_value *question, bool allow)
{
	struct arena *arena = arena_new();
	struct approval_question asked;
	struct approval_rule rule;
	struct err err;

	approval_question_of(question, str_of(s->workspace.path), arena, &asked);
	if (approval_rule_suggest(&asked, allow, arena, &rule, &err) == ERR_OK) {
		keep_own(s->rules, &rule);
	} else {
		grant_same(s->rules, question, allow);
	}
	arena_free(arena);
}

static const struct kept_grant *find_grant(const struct session_rules *rules,
                                           const struct json_value *question)
{
	const struct kept_grant *grant, *found = NULL;
	struct buf text;

	if (TAILQ_EMPTY(&rules->grants)) {
		return NULL;
	}
	buf_init(&text, GRANT_TEXT_MAX);
	write_same(question, &text);
	TAILQ_FOREACH (grant, &rules->grants, link) {
		if (text.len > 0 && str_eq(str_of(grant->text), buf_str(&text)) &&
		    (found == NULL || !grant->allow)) {
			found = grant;
		}
	}
	buf_fini(&text);
	return found;
}

/* ---- asking ---- */

/* The first that denies, else the first that allows. */
static const struct kept_rule *decide(const struct session_rules *rules,
                                      const struct approval_question *question)
{
	const struct kept_rule *kept, *allowing = NULL;

	TAILQ_FOREACH (kept, &rules->rules, link) {
		if ((kept->own ||
		     approval_rule_concerns(&kept->rule, rules->project, rules->owner)) &&
		    (!kept->rule.allow || allowing == NULL) &&
		    approval_rule_fits(&kept->rule, question)) {
			if (!kept->rule.allow) {
				return kept;
			}
			allowing = kept;
		}
	}
	return allowing;
}

bool session_rules_answer(struct session_run *s, const struct json_value *question,
                          struct session_verdict *ret)
{
	const struct kept_grant *grant;
	const struct kept_rule *kept;
	struct arena *arena;
	struct approval_question asked;

	/* What asks a person to choose or to tell something has no answer in a rule. */
	if (s->rules == NULL || json_count(json_get(question, "questions")) > 0) {
		return false;
	}
	arena = arena_new();
	approval_question_of(question, str_of(s->workspace.path), arena, &asked);
	kept = decide(s->rules, &asked);
	arena_free(arena);
	grant = find_grant(s->rules, question);
	if (grant != NULL && (kept == NULL || kept->rule.allow)) {
		*ret = (struct session_verdict){ .allow = grant->allow };
		return true;
	}
	if (kept != NULL) {
		*ret = (struct session_verdict){ .allow = kept->rule.allow };
		if (!kept->own) {
			ret->rule = kept->rule.id;
		}
	}
	return kept != NULL;
}

void session_rules_heard(struct session_run *s, const struct json_value *question,
                         struct str answer)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(answer, &err);

	/* One that was changed says nothing of the next. */
	if (s->rules != NULL && str_eq(json_as_str(json_get(json, "scope")), STR_LIT("session")) &&
	    json_get(json, "updated_input") == NULL && json_get(json, "answers") == NULL) {
		remember(s, question,
		         str_eq(json_as_str(json_get(json, "behavior")), STR_LIT("allow")));
	}
}

/* ---- saying ---- */

static struct jsonw begin(struct buf *out, const struct id *request, bool allow)
{
	struct jsonw w;

	buf_reset(out);
	jsonw_init(&w, out);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "request_id", request->s);
	jsonw_cstr(&w, "behavior", allow ? "allow" : "deny");
	return w;
}

struct str session_verdict_reason(const struct session_verdict *verdict)
{
	return id_is_nil(&verdict->rule) ? STR_LIT("it was denied for the rest of this session")
	                                 : STR_LIT("a rule denies it");
}

void session_verdict_payload(const struct session_verdict *verdict, const struct id *request,
                             struct buf *out)
{
	struct jsonw w = begin(out, request, verdict->allow);

	jsonw_cstr(&w, "scope", "once"); /* the rule stays ours: the agent asks again */
	if (!verdict->allow) {
		jsonw_str(&w, "message", session_verdict_reason(verdict));
	}
	jsonw_end_object(&w);
}

void session_verdict_event(const struct session_verdict *verdict, const struct id *request,
                           struct buf *out)
{
	struct jsonw w = begin(out, request, verdict->allow);

	jsonw_cstr(&w, "scope", "once");
	jsonw_cstr(&w, "by", "rule");
	if (!id_is_nil(&verdict->rule)) {
		jsonw_cstr(&w, "rule_id", verdict->rule.s);
	}
	jsonw_end_object(&w);
}

void session_unanswered_event(const struct id *request, const char *why, struct buf *out)
{
	struct jsonw w = begin(out, request, false);

	jsonw_cstr(&w, "scope", "once");
	jsonw_cstr(&w, "outcome", why);
	jsonw_cstr(&w, "by", strcmp(why, "expired") == 0 ? "expiry" : "agent");
	jsonw_end_object(&w);
}

void session_expired_payload(const struct id *request, struct buf *out)
{
	struct jsonw w = begin(out, request, false);

	jsonw_cstr(&w, "scope", "once");
	jsonw_cstr(&w, "message", "nobody answered in time");
	jsonw_end_object(&w);
}

/* ---- notes ---- */

static void apply_note(struct session_run *s, const struct json_value *note)
{
	const struct json_value *rule = json_get(note, "rule");
	struct id id;

	if (s->rules == NULL || s->tenant == NULL ||
	    !str_eq(json_as_str(json_get(note, "tenant")), str_of(s->tenant)) ||
	    !id_parse(json_as_str(json_get(rule, "id")), &id)) {
		return;
	}
	drop_id(s->rules, &id);
	if (!json_as_bool(json_get(note, "gone"))) {
		keep_json(s->rules, rule);
	}
}

static void drop_note(struct session_rule_notes *notes)
{
	struct rule_note *note = TAILQ_FIRST(&notes->notes);

	TAILQ_REMOVE(&notes->notes, note, link);
	notes->count--;
	free(note->body);
	free(note);
}

/* For sessions whose order was written before it and comes after it. */
static void keep_note(struct session_host *host, struct str body)
{
	struct session_rule_notes *notes = host->rule_notes;
	struct rule_note *note = mem_calloc(1, sizeof(*note));
	struct buf text;

	if (notes == NULL) {
		notes = host->rule_notes = mem_calloc(1, sizeof(*notes));
		TAILQ_INIT(&notes->notes);
	}
	buf_init(&text, MAIL_BODY_MAX);
	buf_add_str(&text, body);
	note->body = buf_take(&text);
	note->at_ms = clock_mono_ms();
	TAILQ_INSERT_TAIL(&notes->notes, note, link);
	notes->count++;
	while (notes->count > NOTES_MAX ||
	       TAILQ_FIRST(&notes->notes)->at_ms + NOTES_MS < note->at_ms) {
		drop_note(notes);
	}
}

void session_rule_note(struct session_host *host, const struct mail *mail)
{
	struct err err;
	CLEANUP(json_value_cleanup) struct json_value *json = json_parse(mail->body, &err);
	struct session_run *s;

	if (json == NULL) {
		log_warn("rule.damaged", "%s", err.msg);
		return;
	}
	LIST_FOREACH(s, &host->runs, link)
	{
		apply_note(s, json);
	}
	keep_note(host, mail->body);
}

void session_rule_notes_free(struct session_host *host)
{
	while (host->rule_notes != NULL && host->rule_notes->count > 0) {
		drop_note(host->rule_notes);
	}
	free(host->rule_notes);
	host->rule_notes = NULL;
}

/* ---- orders ---- */

static void apply_notes(struct session_run *s)
{
	const uint64_t now = clock_mono_ms();
	const struct rule_note *note;
	struct err err;

	if (s->host->rule_notes == NULL) {
		return;
	}
	TAILQ_FOREACH (note, &s->host->rule_notes->notes, link) {
		struct json_value *json = json_parse(str_of(note->body), &err);

		if (note->at_ms + NOTES_MS >= now) {
			apply_note(s, json);
		}
		json_value_free(json);
	}
}

void session_rules_load(struct session_run *s, struct str approvals)
{
	struct session_rules *rules = mem_calloc(1, sizeof(*rules));
	const struct json_value *list;
	struct err err;

	TAILQ_INIT(&rules->rules);
	TAILQ_INIT(&rules->grants);
	s->rules = rules;
	rules->order = json_parse(approvals, &err);
	rules->project = json_as_str(json_get(rules->order, "project"));
	rules->owner = json_as_str(json_get(rules->order, "owner"));
	list = json_get(rules->order, "rules");
	for (size_t i = 0; i < json_count(list); i++) {
		keep_json(rules, json_at(list, i));
	}
	apply_notes(s);
}

void session_rules_recall(struct session_run *s)
{
	const struct json_value *list;

	if (s->rules == NULL) {
		return;
	}
	list = json_get(s->rules->order, "granted");
	/* The newest come first, and the last word counts as the others do. */
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json_value *item = json_at(list, i);

		remember(s, item,
		         str_eq(json_as_str(json_get(item, "behavior")), STR_LIT("allow")));
	}
}

static bool is_asked_again(const struct session_run *s, const struct id *request)
{
	const struct session_ask *ask;

	TAILQ_FOREACH (ask, &s->asks, link) {
		if (id_eq(&ask->request, request)) {
			return true;
		}
	}
	return false;
}

void session_rules_left(struct session_run *s)
{
	const struct json_value *list = s->rules != NULL ? json_get(s->rules->order, "left") : NULL;
	struct id request;
	struct buf text;

	event_text_init(&text);
	for (size_t i = 0; i < json_count(list); i++) {
		if (id_parse(json_as_str(json_at(list, i)), &request) &&
		    !is_asked_again(s, &request)) {
			session_unanswered_event(&request, "withdrawn", &text);
			(void)session_say(s, EVENT_TYPE_PERMISSION_RESOLVED, &text);
		}
	}
	buf_fini(&text);
}

void session_rules_free(struct session_run *s)
{
	struct session_rules *rules = s->rules;
	struct kept_grant *grant;

	if (rules == NULL) {
		return;
	}
	while (!TAILQ_EMPTY(&rules->rules)) {
		drop_rule(rules, TAILQ_FIRST(&rules->rules));
	}
	while ((grant = TAILQ_FIRST(&rules->grants)) != NULL) {
		TAILQ_REMOVE(&rules->grants, grant, link);
		free(grant->text);
		free(grant);
	}
	json_value_free(rules->order);
	free(rules);
	s->rules = NULL;
}
