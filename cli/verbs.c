#include "cli/verbs.h"

#include "cli/admin.h"
#include "log/log.h"

const struct verb_group *const verb_groups[] = {
	&verbs_login,  &verbs_logout,    &verbs_whoami,   &verbs_session, &verbs_agent,
	&verbs_worker, &verbs_approvals, &verbs_approve,  &verbs_deny,    &verbs_approval,
	&admin_tenant, &admin_user,      &admin_role,     &admin_key,     &admin_namespace,
	&admin_chat,   &admin_session,   &admin_contract, &admin_limit,   &admin_price,
	&verbs_secret, &verbs_breaker,   &verbs_budget,   &verbs_webhook, &verbs_usage,
	&verbs_upload, &verbs_top,       &admin_audit,    &admin_setup,   &admin_backup,
	NULL,
};

int command_admin(int argc, char **argv)
{
	log_set_level(LOG_LEVEL_WARN); /* that Redis was reached is no news here */
	return verb_main("admin", argc, argv);
}
