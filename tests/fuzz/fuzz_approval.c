/* Whatever an agent asks, and whatever a rule says: what a rule allows for certain it would also
 * deny, and what "always" makes fits its own question. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "approval/rule.h"
#include "json/value.h"

enum { QUESTION_MAX = 64 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct approval_rule *rule, const struct approval_question *question)
{
	struct approval_rule other = *rule;

	if (rule->allow && approval_rule_fits(rule, question)) {
		other.allow = false;
		assert(approval_rule_fits(&other, question));
		assert(approval_decide(rule, 1, question) == rule);
	}
}

/* {"rule": RULE, ...the question} */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct approval_question question;
	struct approval_rule rule;
	struct json_value *json;
	struct arena *arena;
	struct err err;

	if (size > QUESTION_MAX) {
		return 0;
	}
	json = json_parse(str_make((const char *)data, size), &err);
	if (json == NULL) {
		return 0;
	}
	arena = arena_new();
	approval_question_of(json, STR_LIT("/srv/tree"), arena, &question);
	if (approval_rule_read(json_get(json, "rule"), &rule)) {
		check(&rule, &question);
	}
	if (approval_rule_suggest(&question, true, arena, &rule, &err) == ERR_OK) {
		assert(approval_rule_fits(&rule, &question));
		check(&rule, &question);
	}
	arena_free(arena);
	json_value_free(json);
	return 0;
}
