/* What the audit is asked by. */
#pragma once

#include "rest/query.h"

enum { REST_AUDIT_PAGE = 50, REST_AUDIT_PAGE_MAX = 1000 };

struct rest_audit {
	struct str tenant, actor, action, object;
	unsigned outcome; /* 1 + enum audit_outcome; 0: any */
	int64_t since_us, until_us;
	uint64_t page, per_page; /* page 0: the first */
};
extern const struct rest_query_table rest_audit_table;
