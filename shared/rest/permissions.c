/* docs/permissions.md from the tables. */
#include "base/buf.h"
#include "rest/rest.h"

static const char intro[] =
	"# Permissions\n\n"
	"<!-- Made from shared/rest/routes.def, shared/auth/scope.def and shared/auth/role.def; "
	"run "
	"tools/docs-update to renew it. -->\n\n"
	"Nothing is allowed that is not in these tables: a route without a row does not exist, and "
	"a row asks for one scope. A key has the scopes that it was made with; a member of a "
	"tenant has those of its role there; a key of a member has what both have. What concerns "
	"all tenants needs `system`, which no role has: keys made on the host may have it, and "
	"people who were given it by somebody who has it. Nobody gives more than they have: "
	"scopes, roles and namespaces included.\n\n"
	"A test asks for every route with every role, every scope, no credential and bad ones, and "
	"for what another tenant has, and expects exactly this.\n\n";

static const char row_words[] =
	"\"open\" asks for no key; \"guests\" works without one where a namespace is open "
	"([aomi.md](aomi.md)). Namespaces narrow what is seen further: what a key may not see "
	"answers 404, as what does not exist and what is another tenant's.\n\n";

static void add_scopes(struct buf *out)
{
	buf_add_cstr(out, "## Scopes\n\n| Scope | |\n|---|---|\n");
	for (unsigned i = 0; i < AUTH_SCOPE_COUNT; i++) {
		buf_addf(out, "| `%s` | %s |\n", auth_scope_name((enum auth_scope)i),
		         auth_scope_help((enum auth_scope)i));
	}
}

static void add_roles(struct buf *out)
{
	buf_add_cstr(out, "\n## Roles\n\n| Role | | Scopes |\n|---|---|---|\n");
	for (unsigned i = 0; i < AUTH_ROLE_COUNT; i++) {
		enum auth_role role = (enum auth_role)i;

		buf_addf(out, "| `%s` | %s |", auth_role_name(role), auth_role_help(role));
		for (unsigned k = 0; k < AUTH_SCOPE_COUNT; k++) {
			if ((auth_role_scopes(role) & auth_bit((enum auth_scope)k)) != 0) {
				buf_addf(out, " `%s`", auth_scope_name((enum auth_scope)k));
			}
		}
		buf_add_cstr(out, " |\n");
	}
}

static void add_route(struct buf *out, const struct rest_route *route)
{
	const char *scope = route->open ? "open" : auth_scope_name(route->scope);

	buf_addf(out, "| %s | `%s` | %s%s |", http_method_name(route->method), route->pattern,
	         scope, (route->traits & REST_GUEST) != 0 ? ", guests" : "");
	for (unsigned i = 0; i < AUTH_ROLE_COUNT; i++) {
		bool may = route->open ||
		           (auth_role_scopes((enum auth_role)i) & auth_bit(route->scope)) != 0;

		buf_add_cstr(out, may ? " yes |" : " |");
	}
	buf_add_cstr(out, "\n");
}

void rest_permissions(struct buf *out)
{
	buf_add_cstr(out, intro);
	add_scopes(out);
	add_roles(out);
	buf_add_cstr(out, "\n## Routes\n\n");
	buf_add_cstr(out, row_words);
	buf_add_cstr(out, "| Method | Path | Scope |");
	for (unsigned i = 0; i < AUTH_ROLE_COUNT; i++) {
		buf_addf(out, " %s |", auth_role_name((enum auth_role)i));
	}
	buf_add_cstr(out, "\n|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < REST_OP_COUNT; i++) {
		add_route(out, &rest_routes[i]);
	}
}
