/* Who asks by a request, as the audit says it. */
#pragma once

#include "audit/audit.h"
#include "auth/auth.h"
#include "http/http.h"

/* Without a request: the address is for the caller to add. */
struct audit_who audit_who_is(const struct principal *principal);

/* principal NULL: nobody. It points into both. */
struct audit_who audit_who_of(const struct http_request *req, const struct principal *principal);
