/* Rules that answers make. */
#pragma once

#include "approval/rule.h"
#include "steer/steer.h"

/* For an answer whose scope is always: what approval->rule says, else what the question suggests,
 * for the session's project and owner. *ret_made false: none can say it. ERR_INVALID: the same,
 * where there has to be one. */
enum err_code steer_make_rule(const struct steer *steer, struct steer_session *session,
                              const struct steer_approval *approval, struct str question,
                              struct approval_rule *ret, bool *ret_made,
                              struct err *err) MUST_CHECK;
