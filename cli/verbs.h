/* The tables of commands, each in the file of its noun; cli/verbs.c has them all in a row. */
#pragma once

#include "cli/verb.h"

extern const struct verb_group verbs_login, verbs_logout, verbs_whoami;
extern const struct verb_group verbs_session, verbs_agent, verbs_worker, verbs_approval;
extern const struct verb_group verbs_approvals, verbs_approve, verbs_deny, verbs_usage;
extern const struct verb_group verbs_secret, verbs_breaker, verbs_budget, verbs_webhook,
	verbs_upload, verbs_top;
