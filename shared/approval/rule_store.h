/* Rules that answer for people, as rows. */
#pragma once

#include "approval/rule.h"
#include "pg/pg.h"

enum {
	APPROVAL_RULES_BYTES = 16 * 1024, /* of one project and owner, about a hundred */
	/* What a session's worker gets: those of its project, its owner, both and none. */
	APPROVAL_ORDER_MAX = 4 * APPROVAL_RULES_BYTES,
	APPROVAL_RULES_PAGE_MAX = 200,
};

struct approval_rule_row {
	struct approval_rule rule;
	struct str created_by;
	int64_t created_us;
};

struct approval_rule_list {
	struct approval_rule_row *items; /* of the arena */
	size_t count;
	bool more;
};

/* NULL filters nothing; of project and owner "" is one that names none. */
struct approval_rule_filter {
	const char *tenant, *project, *owner;
	const struct id *before;
	unsigned max;
};

enum err_code approval_rule_list(struct pg *pg, const struct approval_rule_filter *filter,
                                 struct arena *arena, struct approval_rule_list *ret,
                                 struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND. */
enum err_code approval_rule_get(struct pg *pg, const char *tenant, const struct id *id,
                                struct arena *arena, struct approval_rule_row *ret,
                                struct err *err) MUST_CHECK;
/* Those for a session of that project and owner, as a JSON array of at most APPROVAL_ORDER_MAX
 * bytes, those that deny first; "[]" for none. Of the arena. */
enum err_code approval_rules_for(struct pg *pg, const char *tenant, struct str project,
                                 struct str owner, struct arena *arena, struct str *ret,
                                 struct err *err) MUST_CHECK;

/* rule->id: its new one; that of a rule which says the same stays. ERR_CONFLICT: there is no room.
 */
enum err_code approval_rule_add(struct pg_tx *tx, const char *tenant,
                                const struct approval_rule *rule, const char *created_by,
                                struct id *ret_id, struct err *err) MUST_CHECK;
/* ERR_NOT_FOUND. */
enum err_code approval_rule_delete(struct pg_tx *tx, const char *tenant, const struct id *id,
                                   struct err *err) MUST_CHECK;
