#include "rest/approval.h"

#define FIELD(type, member) .offset = offsetof(struct type, member), .present = JSON_NO_PRESENT

enum { MESSAGE_MAX = 32 * 1024, NAME_MAX_BYTES = 64, PAGE_TEXT_MAX = 512, OPTION_MAX = 256 };

const char *const rest_approval_scopes[] = { "once", "session", "always", NULL };
static const char *const behaviors[] = { "allow", "deny", NULL };

/* ---- lists ---- */

static const char *state_name(unsigned i)
{
	return i < APPROVAL_STATE_COUNT ? approval_state_name((enum approval_state)i) : NULL;
}

#define PAGES(type)                                                                                \
	{ .name = "page",                                                                          \
	  .kind = REST_TEXT,                                                                       \
	  FIELD(type, page),                                                                       \
	  .min = 1,                                                                                \
	  .max = PAGE_TEXT_MAX,                                                                    \
	  .help = "nextPage of the answer before." },                                              \
	{                                                                                          \
		.name = "perPage", .kind = REST_NUMBER, FIELD(type, per_page), .min = 1,           \
		.max = REST_PER_PAGE_MAX, .otherwise = REST_PER_PAGE, .help = "Items on a page."   \
	}

static const struct rest_query_field approvals_fields[] = {
	{ .name = "state",
	  .kind = REST_WORDS,
	  FIELD(rest_approvals, states),
	  .names = state_name,
	  .help = "Only those in one of these states; a comma list." },
	{ .name = "session",
	  .kind = REST_TEXT,
	  FIELD(rest_approvals, session),
	  .min = ID_LEN,
	  .max = ID_LEN,
	  .help = "Only those of this session." },
	{ .name = "project",
	  .kind = REST_TEXT,
	  FIELD(rest_approvals, project),
	  .min = 1,
	  .max = NAME_MAX_BYTES,
	  .help = "Only those of this project's sessions." },
	{ .name = "tool",
	  .kind = REST_TEXT,
	  FIELD(rest_approvals, tool),
	  .min = 1,
	  .max = APPROVAL_TOOL_MAX,
	  .help = "Only those about this tool." },
	PAGES(rest_approvals),
};
const struct rest_query_table rest_approvals_table = { sizeof(struct rest_approvals),
	                                               approvals_fields,
	                                               ARRAY_LEN(approvals_fields) };

static const struct rest_query_field rules_fields[] = {
	{ .name = "project",
	  .kind = REST_TEXT,
	  FIELD(rest_rules, project),
	  .min = 1,
	  .max = NAME_MAX_BYTES,
	  .help = "Only those for this project." },
	{ .name = "user",
	  .kind = REST_TEXT,
	  FIELD(rest_rules, user),
	  .min = 1,
	  .max = AUTH_OWNER_MAX,
	  .help = "Only those for the sessions of this user." },
	PAGES(rest_rules),
};
const struct rest_query_table rest_rules_table = { sizeof(struct rest_rules), rules_fields,
	                                           ARRAY_LEN(rules_fields) };

/* ---- rules ---- */

#define RULE_FIELD(word, type, member, most, words)                                                \
	{                                                                                          \
		.name = (word), .kind = JSON_STR, .flags = JSON_NULLABLE, FIELD(type, member),     \
		.min = 1, .max = (most), .help = (words)                                           \
	}
#define RULE_FIELDS(type, at)                                                                      \
	RULE_FIELD("tool", type, at tool, APPROVAL_TOOL_MAX,                                       \
	           "The tool's name; one that ends in * is all that begin so."),                   \
		RULE_FIELD("command", type, at command, APPROVAL_PATTERN_MAX,                      \
	                   "The words that the command begins with."),                             \
		RULE_FIELD("path", type, at path, APPROVAL_PATTERN_MAX,                            \
	                   "Files below the workspace: ? and * within a name, ** across names."),  \
		RULE_FIELD("host", type, at host, APPROVAL_PATTERN_MAX,                            \
	                   "The host, or *.HOST for all that are below it.")

static const struct json_field given_fields[] = { RULE_FIELDS(approval_rule, ) };
static const struct json_table given_table = { "ApprovalRuleOfAnswer", sizeof(struct approval_rule),
	                                       given_fields, ARRAY_LEN(given_fields) };

static const struct json_field rule_fields[] = {
	{ .name = "behavior",
	  .kind = JSON_ENUM,
	  .flags = JSON_REQUIRED,
	  FIELD(rest_rule, behavior),
	  .names = behaviors },
	RULE_FIELDS(rest_rule, rule.),
	RULE_FIELD("project", rest_rule, rule.project, NAME_MAX_BYTES,
	           "For sessions of this project; all unless given."),
	RULE_FIELD("user", rest_rule, rule.user, AUTH_OWNER_MAX,
	           "For the sessions of this user; one's own unless given. Others need admin."),
	{ .name = "everybody",
	  .kind = JSON_BOOL,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_rule, everybody),
	  .help = "For the sessions of all users; needs admin." },
};
const struct json_table rest_rule_table = { "ApprovalRule", sizeof(struct rest_rule), rule_fields,
	                                    ARRAY_LEN(rule_fields) };

/* ---- answers ---- */

#define ANSWER_FIELDS                                                                              \
	{ .name = "scope",                                                                         \
	  .kind = JSON_ENUM,                                                                       \
	  FIELD(rest_approval, scope),                                                             \
	  .names = rest_approval_scopes,                                                           \
	  .help = "once, for the session's life, or always, by a rule for the session's project "  \
		  "and its user; once unless given." },                                            \
		{ .name = "option",                                                                \
		  .kind = JSON_STR,                                                                \
		  .flags = JSON_NULLABLE,                                                          \
		  FIELD(rest_approval, option),                                                    \
		  .max = OPTION_MAX,                                                               \
		  .help = "The id of one of the question's options." },                            \
		{ .name = "message",                                                               \
		  .kind = JSON_STR,                                                                \
		  .flags = JSON_NULLABLE,                                                          \
		  FIELD(rest_approval, message),                                                   \
		  .max = MESSAGE_MAX,                                                              \
		  .help = "For the agent." },                                                      \
		{ .name = "rule",                                                                  \
		  .kind = JSON_OBJECT,                                                             \
		  .offset = offsetof(struct rest_approval, rule),                                  \
		  .present = offsetof(struct rest_approval, has_rule),                             \
		  .table = &given_table,                                                           \
		  .help = "The rule that always makes; unless given the narrowest that fits." },   \
	{                                                                                          \
		.name = "signature", .kind = JSON_OBJECT,                                          \
		.offset = offsetof(struct rest_approval, signature),                               \
		.present = offsetof(struct rest_approval, is_signed),                              \
		.table = &steer_signature_table, .help = "docs/audit.md says how."                 \
	}

static const struct json_field approve_fields[] = {
	ANSWER_FIELDS,
	{ .name = "input",
	  .kind = JSON_RAW,
	  FIELD(rest_approval, input),
	  .max = STEER_PAYLOAD_MAX,
	  .help = "The tool's input as it shall be instead." },
	{ .name = "answers",
	  .kind = JSON_RAW,
	  FIELD(rest_approval, answers),
	  .max = STEER_PAYLOAD_MAX,
	  .help = "To the questions that the agent asks." },
};
const struct json_table rest_approve_table = { "Approve", sizeof(struct rest_approval),
	                                       approve_fields, ARRAY_LEN(approve_fields) };

static const struct json_field deny_fields[] = {
	ANSWER_FIELDS,
	{ .name = "interrupt",
	  .kind = JSON_BOOL,
	  .flags = JSON_NULLABLE,
	  FIELD(rest_approval, interrupt),
	  .help = "End the agent's turn, too." },
};
const struct json_table rest_deny_table = { "Deny", sizeof(struct rest_approval), deny_fields,
	                                    ARRAY_LEN(deny_fields) };
