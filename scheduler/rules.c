#include "scheduler/rules.h"

#include <string.h>

#include "approval/approval_store.h"
#include "approval/rule_store.h"
#include "base/clock.h"
#include "json/write.h"
#include "scheduler/app.h"
#include "session/session_store.h"

enum { LOOK_MS = 1000, TEXT_MAX = APPROVAL_ORDER_MAX + APPROVAL_GRANTED_MAX + 4096 };

static struct ruled *slot_of(struct app *app, struct str tenant)
{
	uint64_t h = 14695981039346656037U; /* FNV-1a */

	for (size_t i = 0; i < tenant.n; i++) {
		h = (h ^ (unsigned char)tenant.p[i]) * 1099511628211U;
	}
	return &app->ruled[h % RULED_MAX];
}

/* Most tenants have none, and an order should not cost a question. What is younger than this
 * answer a worker has heard by itself. */
static enum err_code has_rules(struct app *app, struct str tenant, bool *ret, struct err *err)
{
	const struct approval_rule_filter filter = { .tenant = tenant.p, .max = 1 };
	struct ruled *slot = slot_of(app, tenant);
	struct approval_rule_list list;
	uint64_t now = clock_mono_ms();
	struct arena *arena;
	enum err_code code;

	if (str_eq(str_of(slot->tenant), tenant) && now - slot->looked_ms < LOOK_MS) {
		*ret = slot->any;
		return ERR_OK;
	}
	arena = arena_new();
	code = approval_rule_list(app->node->pg, &filter, arena, &list, err);
	if (code == ERR_OK) {
		*ret = list.count > 0;
		slot->any = *ret;
		slot->looked_ms = now;
		(void)str_copy(slot->tenant, sizeof(slot->tenant), tenant);
	}
	arena_free(arena);
	return code;
}

enum err_code rules_for_order(struct app *app, const struct session *row, bool again,
                              struct arena *arena, struct str *ret, struct err *err)
{
	struct str rules = STR_LIT("[]"), granted = STR_LIT("[]"), left = STR_LIT("[]");
	bool any = false;
	enum err_code code = has_rules(app, row->tenant, &any, err);
	struct buf out;
	struct jsonw w;

	if (code == ERR_OK && any) {
		code = approval_rules_for(app->node->pg, row->tenant.p, row->project, row->owner,
		                          arena, &rules, err);
	}
	if (code == ERR_OK && again) {
		code = approval_granted(app->node->pg, row->tenant.p, &row->id, arena, &granted,
		                        err);
	}
	if (code == ERR_OK && again) {
		code = approval_left(app->node->pg, row->tenant.p, &row->id, arena, &left, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	buf_init(&out, TEXT_MAX);
	jsonw_init(&w, &out);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "project", row->project);
	jsonw_str(&w, "owner", row->owner);
	jsonw_raw(&w, "rules", rules);
	jsonw_raw(&w, "granted", granted);
	jsonw_raw(&w, "left", left);
	jsonw_end_object(&w);
	*ret = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return ERR_OK;
}
