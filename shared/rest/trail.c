#include "rest/trail.h"

#include "audit/audit_http.h"
#include "audit/denials.h"

enum { IN_TENANT, IN_SYSTEM };

const struct rest_act *rest_act(enum rest_op op)
{
	static const struct rest_act acts[REST_OP_COUNT] = {
#define X(name, word, what, chain)                                                                 \
	[REST_OP_##name] = {                                                                       \
		.action = (word),                                                                  \
		.kind = (what),                                                                    \
		.of_system = (int)IN_##chain == (int)IN_SYSTEM,                                    \
	},
#include "rest/acts.def"
#undef X
	};

	return acts[op].action != NULL ? &acts[op] : NULL;
}

const char *rest_plain(enum rest_op op)
{
	static const char *const reasons[REST_OP_COUNT] = {
#define X(name, reason) [REST_OP_##name] = (reason),
#include "rest/plain.def"
#undef X
	};

	return reasons[op];
}

struct str rest_act_object(const struct http_request *req, const struct rest_act *act,
                           struct str id)
{
	struct str of = id.n > 0 ? id : req->params[0];

	return act->kind[0] == '\0' || of.n == 0
	               ? STR_LIT("")
	               : str_of(arena_printf(req->arena, "%s:%" STR_FMT, act->kind, STR_ARG(of)));
}

/* ---- refusals ---- */

static bool is_noted(const struct rest_route *route, const struct principal *who, int status)
{
	bool proves = (route->traits & REST_PROVES) != 0;

	if (status == err_http_status(ERR_UNAUTHORIZED)) {
		return proves || (who != NULL && who->tenant[0] != '\0');
	}
	if (status == err_http_status(ERR_LIMIT)) {
		return proves || who == NULL || who->tenant[0] == '\0';
	}
	if (status == err_http_status(ERR_FORBIDDEN)) {
		return who != NULL && who->tenant[0] != '\0';
	}
	return status >= 500 && rest_act((enum rest_op)(route - rest_routes)) != NULL;
}

/* Reading is not an act, but who was not allowed to may be told of it: by the route's name. */
static void name_it(const struct http_request *req, const struct rest_route *route,
                    struct audit_entry *entry)
{
	static const struct rest_act no_act = { .action = "request", .kind = "" };
	const struct rest_act *act = rest_act((enum rest_op)(route - rest_routes));

	entry->action = str_of(act != NULL ? act->action
	                                   : arena_printf(req->arena, "request.%s", route->name));
	act = act != NULL ? act : &no_act;
	entry->object = rest_act_object(req, act, str_make(NULL, 0));
	if (entry->object.n == 0) {
		entry->object =
			str_of(arena_printf(req->arena, "path:%" STR_FMT, STR_ARG(req->path)));
	}
}

void rest_note_refusal(struct denials *denials, const struct http_request *req,
                       const struct principal *who, int status)
{
	const struct rest_route *route = req->route->facts;
	struct audit_entry entry = {
		.chain = AUDIT_SYSTEM,
		.outcome = status >= 500 ? AUDIT_FAILED : AUDIT_DENIED,
	};

	if (denials == NULL || !is_noted(route, who, status)) {
		return;
	}
	who = who != NULL && who->tenant[0] != '\0' ? who : NULL;
	entry.who = audit_who_of(req, who);
	if (who != NULL) {
		entry.chain = who->tenant;
	}
	name_it(req, route, &entry);
	denials_add(denials, &entry);
}
