/* What the routes of approvals and their rules take. */
#pragma once

#include "approval/approval_store.h"
#include "approval/rule.h"
#include "rest/query.h"
#include "steer/signature.h"

struct rest_approvals {
	uint64_t states; /* set of 1 << enum approval_state; 0: all */
	struct str session, project, tool, page;
	uint64_t per_page;
};
extern const struct rest_query_table rest_approvals_table;

enum rest_approval_scope { REST_ONCE, REST_SESSION, REST_ALWAYS, REST_SCOPE_COUNT };
extern const char *const rest_approval_scopes[REST_SCOPE_COUNT + 1];

struct rest_approval {
	unsigned scope; /* enum rest_approval_scope */
	struct str message, option;
	struct str input, answers; /* JSON; {NULL, 0}: none */
	bool interrupt, has_rule, is_signed;
	struct approval_rule rule; /* what "always" makes; when has_rule */
	struct steer_signature signature;
};
extern const struct json_table rest_approve_table, rest_deny_table;

/* The filter of lists of rules. */
struct rest_rules {
	struct str project, user, page;
	uint64_t per_page;
};
extern const struct rest_query_table rest_rules_table;

struct rest_rule {
	unsigned behavior; /* 0: allow, 1: deny */
	struct approval_rule rule;
	bool everybody;
};
extern const struct json_table rest_rule_table;
