/* What of the routes is written down in the audit (audit/audit.h): acts.def says which acts, and of
 * all routes those are that refused somebody. */
#pragma once

#include "audit/audit.h"
#include "auth/auth.h"
#include "rest/rest.h"

struct denials;

struct rest_act {
	const char *action; /* "key.create" */
	const char *kind;   /* of the object; "": there is none */
	bool of_system;     /* in the chain of no tenant */
};

/* NULL: it is not written down. */
const struct rest_act *rest_act(enum rest_op op);
/* Why not (plain.def); NULL: nobody said. */
const char *rest_plain(enum rest_op op);

/* "kind:id"; id empty: the request's first parameter, if there is one. In the arena. */
struct str rest_act_object(const struct http_request *req, const struct rest_act *act,
                           struct str id);

/*
 * What a request of a row was answered with, 401, 403, 429 and 5xx being what is looked at.  Noted
 * is who was not allowed what (in their tenant's chain; whoever showed a key that is no good, in
 * that key's), who failed to prove who they are, whoever tried that too often (in the chain of no
 * tenant, by address), and acts that failed. who NULL: nobody.
 */
void rest_note_refusal(struct denials *denials, const struct http_request *req,
                       const struct principal *who, int status);
